import CHostSupport
import Foundation
import HostProtocol
import Synchronization

/// One cell on its way.
final class Run: Sendable {
  /// An error that reached the top level, as its author wants it told.
  struct Thrown: Sendable {
    var type: String
    var description: String
    var frames: [Frame]

    init(_ error: any Error) {
      type = String(reflecting: Swift.type(of: error))
      description = Self.text(of: error)
      // An `any Error` is one reference, by which the place of its throw was noted. The cast keeps Swift from handing
      // on the value inside.
      var counters = [UInt64](repeating: 0, count: Int(CHS_MAX_THROW_FRAMES))
      let count = chs_throw_frames(unsafeBitCast(error as any Error, to: UnsafeRawPointer.self), &counters)
      // A return address may lie behind the last line of its function; the call is just before it.
      frames = counters.prefix(Int(count)).compactMap { Frame(at: $0 - 1) }
    }

    /// Its own description; else what it says as a `LocalizedError`; else what Swift makes of its value.
    private static func text(of error: any Error) -> String {
      if Swift.type(of: error) is any CustomStringConvertible.Type { return String(describing: error) }
      guard let localized = error as? any LocalizedError else { return String(describing: error) }
      let parts = [localized.errorDescription, localized.failureReason, localized.recoverySuggestion]
      let text = parts.compactMap { $0 }.joined(separator: "\n")
      return text.isEmpty ? String(describing: error) : text
    }
  }
  let cell: CellRun
  let thrown = Mutex<Thrown?>(nil)
  let input = InputSlot()
  let interrupts = Atomic<Int>(0)
  /// A second interrupt came: stop in library code too.
  let insist = Atomic<Bool>(false)
  /// The top level ended before its last step, and that is as it should be.
  let hasLeft = Atomic<Bool>(false)
  /// What the cell releases, and what is released already.
  let releases: Mutex<(waiting: [Release], done: [Release])>
  /// An error is on its way through the top-level code, which ends by it.
  let isLeaving = Atomic<Bool>(false)
  /// The cell's code has begun.
  let isLoaded = Atomic<Bool>(false)

  init(_ cell: CellRun) {
    self.cell = cell
    releases = Mutex((cell.releases, []))
  }
}

/// Hands a line of input from the thread that serves the kernel to the cell's.
final class InputSlot: Sendable {
  private let lines = Mutex<[String?]>([])
  private let arrived = DispatchSemaphore(value: 0)

  func put(_ line: String?) {
    lines.withLock { $0.append(line) }
    arrived.signal()
  }

  func take() -> String? {
    arrived.wait()
    return lines.withLock { $0.removeFirst() }
  }
}

extension Frame {
  /// `nil` where no loaded object has the address.
  init?(at address: UInt64) {
    var path: UnsafePointer<CChar>?
    var symbol: UnsafePointer<CChar>?
    var offset: UInt64 = 0
    guard chs_locate(address, &path, &offset, &symbol), let path else { return nil }
    self.init(image: String(cString: path), offset: offset, symbol: symbol.map { String(cString: $0) })
  }
}

extension UnsafePointer<chs_report> {
  /// The frames of the report, with the objects they belong to.
  var frames: [Frame] {
    let count = Int(pointee.frame_count)
    guard let counters = chs_report_frames(self) else { return [] }
    return (0..<count).compactMap { index in
      // A return address may lie behind the last line of its function; the call is just before it.
      return Frame(at: index == 0 ? counters[index] : counters[index] - 1)
    }
  }

  var message: String {
    guard let text = chs_report_message(self) else { return "" }
    let bytes = UnsafeRawBufferPointer(start: text, count: Int(pointee.message_length))
    return String(decoding: bytes, as: UTF8.self)
  }

  func trap(reached: Int) -> Trap {
    Trap(
      run: pointee.run, signal: Int(pointee.signal), message: message, faultAddress: pointee.fault_address,
      isStackOverflow: pointee.stack_overflow, isAsynchronous: pointee.role != CHS_CELL,
      isFatalToHost: pointee.corrupted || pointee.main_thread, frames: frames, reached: reached)
  }
}
