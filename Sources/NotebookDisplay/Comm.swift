import Foundation
import Synchronization

/// A line between code of the session and code in the notebook's page: messages either way, at any time.
///
///     registerCommTarget("echo") { comm, _ in
///       comm.onMessage { comm.send(json: $0) }
///     }
///
/// What arrives is handled on a thread of its own, beside a cell that runs: variables that both change need a lock.
/// What a handler prints belongs to the message; a handler that traps ends itself and nothing else.
public final class Comm: Sendable {
  public let id: String
  /// What the other side calls its handler.
  public let target: String
  private struct Handlers {
    var message: (@Sendable (String) -> Void)?
    var close: (@Sendable (String) -> Void)?
  }
  private let handlers = Mutex(Handlers())

  fileprivate init(id: String, target: String) {
    self.id = id
    self.target = target
  }

  /// Opens a line to what the page knows as `target`; `json` is what it is told first.
  public static func open(_ target: String, json: String = "{}") -> Comm {
    let comm = Comm(id: UUID().uuidString.lowercased(), target: target)
    Comms.add(comm)
    Comms.send(CommMessage(kind: .open, id: comm.id, target: target, data: json))
    return comm
  }

  /// Sends one JSON value, given as text.
  public func send(json: String) { Comms.send(CommMessage(kind: .message, id: id, target: target, data: json)) }

  /// Sends a value as JSON.
  /// - Throws: what encoding it throws.
  public func send(_ value: some Encodable) throws {
    send(json: String(decoding: try JSONEncoder().encode(value), as: UTF8.self))
  }

  /// Ends the line; `json` is what the page is told last.
  public func close(json: String = "{}") {
    Comms.remove(id)
    Comms.send(CommMessage(kind: .close, id: id, target: target, data: json))
  }

  /// Called with each message of the page, as JSON text. The handler that was set last counts.
  public func onMessage(_ handler: @escaping @Sendable (_ json: String) -> Void) {
    handlers.withLock { $0.message = handler }
  }

  /// Called when the page ends the line.
  public func onClose(_ handler: @escaping @Sendable (_ json: String) -> Void) {
    handlers.withLock { $0.close = handler }
  }

  fileprivate func handler(of message: CommMessage) -> (@Sendable () -> Void)? {
    guard let handler = handlers.withLock({ message.kind == .close ? $0.close : $0.message }) else { return nil }
    return { handler(message.data) }
  }
}

/// Has `begin` called for every line that the page opens to `target`, with what it says first as JSON text.
///
/// Set again, the new handler takes the place of the old one for lines that are opened from then on.
public func registerCommTarget(
  _ target: String, _ begin: @escaping @Sendable (_ comm: Comm, _ json: String) -> Void
) { Comms.register(target, begin) }

/// One message of a comm, in either direction.
package struct CommMessage: Codable, Sendable, Equatable {
  package enum Kind: String, Codable, Sendable { case open, message, close }
  package var kind: Kind
  package var id: String
  /// Of an `open`: who is to handle the line.
  package var target: String
  /// JSON text.
  package var data: String

  package init(kind: Kind, id: String, target: String = "", data: String = "{}") {
    self.kind = kind
    self.id = id
    self.target = target
    self.data = data
  }
}

/// The lines and targets of this process. The cell host connects them with the notebook.
package enum Comms {
  private struct State {
    var targets: [String: @Sendable (Comm, String) -> Void] = [:]
    var open: [String: Comm] = [:]
    /// Without a notebook, nobody is told.
    var sink: (@Sendable (CommMessage) -> Void)?
  }
  private static let state = Mutex(State())

  package static func connect(_ sink: @escaping @Sendable (CommMessage) -> Void) { state.withLock { $0.sink = sink } }

  /// What is to be called for a message of the page; `nil` where nobody handles it.
  package static func handler(of message: CommMessage) -> (@Sendable () -> Void)? {
    guard message.kind == .open else {
      let comm = state.withLock { state in
        message.kind == .close ? state.open.removeValue(forKey: message.id) : state.open[message.id]
      }
      return comm?.handler(of: message)
    }
    guard let begin = state.withLock({ $0.targets[message.target] }) else {
      // As the protocol asks for where nobody handles the target.
      send(CommMessage(kind: .close, id: message.id))
      return nil
    }
    let comm = Comm(id: message.id, target: message.target)
    add(comm)
    return { begin(comm, message.data) }
  }

  fileprivate static func register(_ target: String, _ begin: @escaping @Sendable (Comm, String) -> Void) {
    state.withLock { $0.targets[target] = begin }
  }
  fileprivate static func add(_ comm: Comm) { state.withLock { $0.open[comm.id] = comm } }
  fileprivate static func remove(_ id: String) { state.withLock { _ = $0.open.removeValue(forKey: id) } }
  fileprivate static func send(_ message: CommMessage) { state.withLock { $0.sink }?(message) }
}
