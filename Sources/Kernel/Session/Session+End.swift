internal import Foundation

/// How a session ends: every request is answered first, then what is queued goes out, then the sockets close.
extension Session {
  /// Answers a shutdown_request, from whichever channel, and ends the session.
  ///
  /// On a thread of its own: it waits for the sockets' threads, of which the caller is one.
  func shutDown(_ message: IncomingMessage, on channel: Channel) {
    Thread.detachNewThread { [self] in
      let restart = (try? message.content(as: ShutdownRequest.self))?.restart ?? false
      let content: [String: JSONValue] = ["status": .string("ok"), "restart": .bool(restart)]
      settle {
        scope(message) {
          answerEverything()
          channel.reply(to: message, "shutdown_reply", content)
          iopub.publish("shutdown_reply", content, parent: message.headerBytes)
        }
      }
      stop()
    }
  }

  /// Ends the session: every request gets its answer, and what is queued on the sockets goes out. Safe to call twice
  /// and from any thread but the sockets' own.
  package func stop() {
    settle { answerEverything() }
    let isFirst = state.withLock { state in
      defer { state.isClosing = true }
      return !state.isClosing
    }
    guard isFirst else { return wait() }
    input.stop()
    shell.stop()
    control.stop()
    iopub.stop()
    heartbeat.stop()
    // Waits until what was sent has left this process, at most as long as the sockets linger.
    context.terminate()
    finished.signal()
  }

  /// One at a time: who ends the session meanwhile waits until the answer of who came first is on its way.
  private func settle(_ answer: () -> Void) { ending.withLock { _ in answer() } }

  /// Brings every request to its end: those that wait are answered as aborted, the running cell is stopped.
  ///
  /// Nothing slips between: from the moment at which the state says that the session ends, the shell's thread answers
  /// what arrives as aborted itself; what it took over before that moment lies in a queue when it reports back, and
  /// the queues are emptied only then.
  private func answerEverything() {
    let all = state.withLock { state -> [Worker]? in
      guard !state.isStopping else { return nil }
      state.isStopping = true
      return Array(state.workers.values) + Array(state.lanes.values) + state.leaving
    }
    guard let workers = all else { return }
    stopping()
    // A session that never started has no thread to report back.
    if !workers.isEmpty { shell.waitUntilReceived() }
    for request in workers.flatMap({ $0.stop() }) { abort(request) }
    interrupt()
    runner.shutdown()
    // A runner that was shut down returns at once; the limit is for one that doesn't.
    let deadline = DispatchTime.now() + Self.patienceWithRunner
    for worker in workers { worker.join(by: deadline) }
    history?.flush(by: deadline)
  }

  /// Jupyter sends SIGTERM two and a half seconds after its shutdown_request, SIGKILL after five.
  private static let patienceWithRunner = 1.5
}
