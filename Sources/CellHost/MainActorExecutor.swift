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

  func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
