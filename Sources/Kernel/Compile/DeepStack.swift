import Foundation
import SwiftParser
import SwiftSyntax
import Synchronization

/// Runs `body` where it may recurse deeply: a syntax tree is as deep as its text is nested, and a thread's usual
/// stack ends long before a text that somebody generated does.
func onDeepStack<Answer: Sendable>(for text: String, _ body: @escaping @Sendable (String) -> Answer) -> Answer {
  // A short text can't nest deeply enough to matter.
  guard text.utf8.count > 1 << 11 else { return body(text) }
  let answer = Mutex<Answer?>(nil)
  let done = DispatchSemaphore(value: 0)
  let thread = Thread {
    let value = body(text)
    answer.withLock { $0 = value }
    done.signal()
  }
  // Reserved, not used.
  thread.stackSize = 1 << 30
  thread.start()
  done.wait()
  return answer.withLock { $0 } ?? body(text)
}

/// The syntax tree of a text; `nil` where brackets nest deeper than the compiler reads: it refuses such a text, and
/// swift-syntax takes for ever over it.
func parsed(_ text: String) -> SourceFileSyntax? {
  nesting(of: text) > 256 ? nil : Parser.parse(source: text)
}

/// How deeply brackets nest, outside of strings and comments as far as a glance can tell.
private func nesting(of text: String) -> Int {
  var depth = 0
  var deepest = 0
  var isString = false
  var isComment = false
  var last: UInt8 = 0
  for byte in text.utf8 {
    switch byte {
    case UInt8(ascii: "\n"):
      isString = false
      isComment = false
    case _ where isComment: break
    case UInt8(ascii: "\"") where last != UInt8(ascii: "\\"): isString.toggle()
    case _ where isString: break
    case UInt8(ascii: "/") where last == byte: isComment = true
    case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"):
      depth += 1
      deepest = max(deepest, depth)
    case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
    default: break
    }
    last = byte
  }
  return deepest
}
