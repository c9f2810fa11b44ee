import Foundation
import Kernel
import Testing

/// HMAC-SHA256 by the test vectors of RFC 4231, section 4 (cases whose key is text).
@Suite struct SignerTests {
  @Test(arguments: [
    (
      "Jefe", "what do ya want for nothing?",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ),
    (
      String(repeating: "\u{0b}", count: 20), "Hi There",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    ),
  ])
  func `the digest is that of RFC 4231`(key: String, text: String, expected: String) {
    #expect(String(decoding: Signer(key: key).signature(of: [Data(text.utf8)]), as: UTF8.self) == expected)
  }

  @Test func `parts are signed as one text`() {
    let signer = Signer(key: "Jefe")
    let parts = ["what do ya", " want", "", " for nothing?"].map { Data($0.utf8) }
    #expect(signer.signature(of: parts) == signer.signature(of: [Data("what do ya want for nothing?".utf8)]))
  }

  @Test func `a signature of another key, of other parts, cut short or empty is refused`() {
    let signer = Signer(key: "key")
    let parts = [Data("{}".utf8)]
    let right = Data(signer.signature(of: parts))
    #expect(signer.accepts(right, for: parts))
    #expect(!signer.accepts(Data(Signer(key: "other").signature(of: parts)), for: parts))
    #expect(!signer.accepts(right, for: [Data("{ }".utf8)]))
    #expect(!signer.accepts(right.dropLast(), for: parts))
    #expect(!signer.accepts(Data(), for: parts))
    #expect(!signer.accepts(right + Data("0".utf8), for: parts))
  }

  @Test func `with an empty key messages are unsigned and all are accepted`() {
    let signer = Signer(key: "")
    #expect(!signer.isEnabled)
    #expect(signer.signature(of: [Data("{}".utf8)]).isEmpty)
    #expect(signer.accepts(Data("anything".utf8), for: [Data("{}".utf8)]))
  }

  @Test func `a signature is admitted once, and the oldest are forgotten beyond the capacity`() {
    var memory = ReplayMemory(capacity: 4)
    let admitted = [0, 1, 2, 3, 0, 4, 0, 4].map { memory.admit(Data([$0])) }
    // 0 comes again when it is known, and once more when it is forgotten with the oldest half.
    #expect(admitted == [true, true, true, true, false, true, true, false])
  }
}
