import COpenSSL
import Foundation
import Synchronization

/// A whole file, mapped read-only into memory: nothing is read until it is looked at, and nothing is copied.
///
/// Another process that truncates the file while it is mapped ends this one with a bus error; replacing the file by
/// renaming a new one over it is safe.
package final class MappedFile: @unchecked Sendable {
  package let path: String
  /// Never written: this makes the class Sendable.
  private let base: UnsafeRawPointer
  package let byteCount: Int
  package let identity: FileIdentity
  /// Bytes of the file whose checksum is in the digest.
  private let hashed = Atomic<Int>(0)
  private let digest = Mutex(PendingDigest())

  /// Maps a file of its own.
  package init(path: String) throws(EngineError) {
    self.path = path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw EngineError(
        .unreadableFile, "the file can't be opened", at: path, expected: "a readable file",
        found: String(cString: strerror(errno)), nextStep: "check the path and its permissions")
    }
    defer { close(descriptor) }
    var info = stat()
    guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
      throw EngineError(
        .unreadableFile, "this is not a regular file", at: path, expected: "a file",
        found: info.st_mode & S_IFMT == S_IFDIR ? "a folder" : "something else",
        nextStep: "give the path of the file itself")
    }
    guard info.st_size > 0 else {
      throw EngineError(
        .malformedFile, "the file is empty", at: path, expected: "a file with content", found: "0 bytes",
        nextStep: "download it again")
    }
    identity = FileIdentity(info)
    byteCount = Int(info.st_size)
    guard let mapping = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0), mapping != MAP_FAILED else {
      throw EngineError(
        .unreadableFile, "the file can't be mapped into memory", at: path, found: String(cString: strerror(errno)),
        nextStep: "check the limit on address space (ulimit -v)")
    }
    base = UnsafeRawPointer(mapping)
  }

  deinit { munmap(UnsafeMutableRawPointer(mutating: base), byteCount) }

  /// The file's bytes; valid while this object lives.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }

  /// Bytes of the file that are in memory now, in whole pages: what the page cache holds, whoever read it.
  package var residentByteCount: Int {
    let page = sysconf(Int32(_SC_PAGESIZE))
    var pages = [UInt8](repeating: 0, count: (byteCount + page - 1) / page)
    guard mincore(UnsafeMutableRawPointer(mutating: base), byteCount, &pages) == 0 else { return 0 }
    return min(byteCount, pages.reduce(0) { $0 + Int($1 & 1) } * page)
  }
}

/// Which file this is, whatever its path, and in which state: enough to know it again.
package struct FileIdentity: Hashable, Sendable {
  let device: UInt64
  let inode: UInt64
  let byteCount: Int
  let seconds: Int
  let nanoseconds: Int

  init(_ info: stat) {
    device = UInt64(info.st_dev)
    inode = UInt64(info.st_ino)
    byteCount = Int(info.st_size)
    seconds = Int(info.st_mtim.tv_sec)
    nanoseconds = Int(info.st_mtim.tv_nsec)
  }

  /// Whether the last change lies so far back that another one would show.
  var isSettled: Bool { time(nil) - seconds >= 2 }
}

extension MappedFile {
  private struct Known {
    weak var file: MappedFile?
  }

  private static let known = Mutex<[FileIdentity: Known]>([:])

  /// The mapping of a file that is mapped already, or a new one: models that share a file share its memory.
  ///
  /// Device, inode, size and time of change say whether two paths are one file.
  package static func shared(path: String) throws(EngineError) -> MappedFile {
    let file = try MappedFile(path: path)
    return known.withLock { known in
      known = known.filter { $0.value.file != nil }
      if let other = known[file.identity]?.file { return other }
      known[file.identity] = Known(file: file)
      return file
    }
  }
}

// MARK: Checksums

extension MappedFile {
  private static let hashes = Mutex<[FileIdentity: String]>([:])

  /// Lower-case hexadecimal SHA-256 of the file. The first call reads all of it; later ones, and those of other
  /// mappings of the same file in the same state, don't.
  package var sha256: String { computeSHA256 { true } ?? "" }

  /// The checksum, if it was worked out before.
  package var knownSHA256: String? {
    digest.withLock { $0.text } ?? Self.hashes.withLock { $0[identity] }
  }

  /// The share of the file that has been hashed, 0 to 1.
  package var checksumShare: Double {
    knownSHA256 == nil ? Double(hashed.load(ordering: .relaxed)) / Double(byteCount) : 1
  }

  /// Works the checksum out, unless it is known, as long as `goesOn` says so. Who asks while another is at it waits and
  /// takes over what is left.
  package func computeSHA256(while goesOn: () -> Bool) -> String? {
    // Portions keep the turn short: whoever needs the checksum at once does the rest without waiting for an end.
    while goesOn() {
      if let known = knownSHA256 { return known }
      digest.withLock { digest in
        guard digest.text == nil else { return }
        let start = hashed.load(ordering: .relaxed)
        let end = min(byteCount, start + Self.portion)
        digest.hash.update(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        // The page cache has them; this process's memory counts what it works with.
        madvise(UnsafeMutableRawPointer(mutating: base + start), end - start, MADV_DONTNEED)
        hashed.store(end, ordering: .relaxed)
        guard end == byteCount else { return }
        let text = digest.hash.finish()
        digest.text = text
        // Clocks of file systems tick some times a second: a file just written could change unnoticed.
        if identity.isSettled { Self.hashes.withLock { $0[identity] = text } }
      }
    }
    return nil
  }

  private static let portion = 16 << 20

  static func sha256(of bytes: [UInt8]) -> String {
    let hash = RunningSHA256()
    bytes.withUnsafeBytes { hash.update($0) }
    return hash.finish()
  }
}

/// A checksum that is being worked out.
struct PendingDigest: Sendable {
  var hash = RunningSHA256()
  var text: String?
}

/// SHA-256 of bytes that come in portions.
final class RunningSHA256: @unchecked Sendable {
  // Unchecked: its owner, a file's mutex, lets one thread in at a time.
  private let context = EVP_MD_CTX_new()

  init() { EVP_DigestInit_ex(context, EVP_sha256(), nil) }
  deinit { EVP_MD_CTX_free(context) }

  func update(_ bytes: UnsafeRawBufferPointer) { EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) }

  /// Lower-case hexadecimal; called once.
  func finish() -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    EVP_DigestFinal_ex(context, &digest, nil)
    return digest.map { String(UInt32($0) + 256, radix: 16).dropFirst() }.joined()
  }
}
