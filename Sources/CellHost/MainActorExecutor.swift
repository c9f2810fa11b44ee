import CHostSupport

/// Runs the main actor's jobs on a thread of the host's own, which is replaced when a trap has parked it.
///
/// Left to the runtime they would run on the main dispatch queue, and one trap in `@MainActor` code would block the
/// main actor for the rest of the session.
final class MainActorExecutor: SerialExecutor {
  static let shared = MainActorExecutor()

  static func install() {
    typealias Words = (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?)
    let words = unsafeBitCast(shared.asUnownedSerialExecutor(), to: Words.self)
    _ = chs_hook_main_executor(words.0, words.1)
  }

  func enqueue(_ job: consuming ExecutorJob) {
    chs_enqueue_main(unsafeBitCast(UnownedJob(job), to: UnsafeMutableRawPointer.self))
  }

  /// Top-level code of the main shell's cells belongs to the main actor too, as a script's does, and so does what runs on
  /// the main queue.
  func isIsolatingCurrentContext() -> Bool? { chs_is_on_main_actor() }
  func checkIsolated() {
    precondition(chs_is_on_main_actor(), "this code runs on no thread of the main actor's")
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
