import CHostSupport
import Foundation
import Synchronization

/// Standard input, output and error as the kernel gave them, so that a cell which closed them does no lasting harm.
final class KeptDescriptors: Sendable {
  private let kept: [Int32]
  private let handleOffset: Int?
  private let isTold = Atomic<Bool>(false)

  init() {
    kept = (0...2).map { chs_copy_descriptor($0) }
    handleOffset = Self.findHandleOffset()
    chs_know_output(kept[1], kept[2])
    chs_reserve_descriptors()
  }

  func restore() {
    for (descriptor, copy) in kept.enumerated() where copy >= 0 {
      var now = stat()
      var then = stat()
      let same =
        fstat(Int32(descriptor), &now) == 0 && fstat(copy, &then) == 0 && now.st_ino == then.st_ino
        && now.st_dev == then.st_dev
      if !same { dup2(copy, Int32(descriptor)) }
    }
    restoreHandles()
  }

  /// Says that no file can be opened any more, once for each time that it happens.
  func tell(whether someAreLeft: Bool, limit: Int32) {
    if someAreLeft { return isTold.store(false, ordering: .relaxed) }
    guard !isTold.exchange(true, ordering: .relaxed) else { return }
    let text = """
      All \(limit) file descriptors that cells may have are open: files, pipes and sockets can't be opened, and no \
      process can be started, until a cell closes some.

      """
    Array(text.utf8).withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  // MARK: Foundation's handles

  /// `FileHandle.standardOutput` is one object for the life of the process: closed once, it would refuse every later
  /// cell. It has no way back, so its descriptor is written where the object keeps it. A `FileHandle` that could be
  /// opened again would remove this.
  private func restoreHandles() {
    guard let offset = handleOffset else { return }
    let handles = [FileHandle.standardInput, .standardOutput, .standardError]
    for (descriptor, handle) in handles.enumerated() {
      let place = Unmanaged.passUnretained(handle).toOpaque().advanced(by: offset)
      if place.loadUnaligned(as: Int32.self) == -1 {
        place.storeBytes(of: Int32(descriptor), as: Int32.self)
      }
    }
  }

  /// Where a handle keeps its descriptor; `nil` when that can't be told for certain.
  private static func findHandleOffset() -> Int? {
    let sign: Int32 = 0x5EED_F11E
    let handle = FileHandle(fileDescriptor: sign, closeOnDealloc: false)
    return withExtendedLifetime(handle) {
      let object = Unmanaged.passUnretained(handle).toOpaque()
      // Its first field, behind the object's header; the object is longer than this.
      let places = stride(from: 16, to: 48, by: 4).filter { object.load(fromByteOffset: $0, as: Int32.self) == sign }
      return places.count == 1 ? places[0] : nil
    }
  }
}
