/// Which thread answers a request of the shell channel.
///
/// Cells wait for one another; what is asked while one runs does not wait for it. A client tells answers apart by
/// their parent header, as the protocol has it, not by their order.
enum Lane: CaseIterable {
  /// Cells, in the order in which they came. Each subshell has a lane of its own.
  case cells
  /// Questions to sourcekitd: milliseconds once it is warm, more than a second before.
  case language
  /// Parsing: as long as the code is.
  case syntax
  /// What the kernel knows by itself.
  case knowledge
  /// Messages of comms, in the order in which they came: their handlers are code of the session.
  case comms

  init(_ type: String) {
    self =
      switch type {
      case "execute_request": .cells
      case "complete_request", "inspect_request": .language
      case "is_complete_request": .syntax
      case "comm_open", "comm_msg", "comm_close", "comm_info_request": .comms
      default: .knowledge
      }
  }

  /// The lanes that all shells share.
  static let shared: [Lane] = [.language, .syntax, .knowledge, .comms]
}
