import Foundation
import Glibc
import HostProtocol
import Kernel
import Testing

@Suite struct FrameChannelTests {
  private func pair() -> (FrameChannel, Int32) {
    var ends: [Int32] = [-1, -1]
    #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
    return (FrameChannel(descriptor: ends[0]), ends[1])
  }

  @Test func `a frame arrives as it was sent`() throws {
    let (channel, other) = pair()
    let request = HostRequest.run(
      CellRun(
        id: 7, library: "/a/é.so", entry: "e", allowStdin: true, wantsResult: false, module: "In7",
        replaced: ["In3"]))
    try FrameChannel(descriptor: other).send(request)
    #expect(try channel.receive(HostRequest.self) == request)
  }

  @Test func `a length beyond all reason is refused before anything is read`() {
    let (channel, other) = pair()
    let prefix: [UInt8] = [0xff, 0xff, 0xff, 0xff]
    #expect(write(other, prefix, 4) == 4)
    #expect(throws: ChannelError.oversized(0xffff_ffff)) { try channel.receive(HostEvent.self) }
  }

  @Test func `a frame that ends early is a closed channel`() {
    let (channel, other) = pair()
    let bytes: [UInt8] = [0, 0, 0, 9, 0x7b]
    #expect(write(other, bytes, 5) == 5)
    close(other)
    #expect(throws: ChannelError.closed) { try channel.receive(HostEvent.self) }
  }

  @Test func `what isn't a message of the protocol is malformed`() {
    let (channel, other) = pair()
    let bytes: [UInt8] = [0, 0, 0, 2, 0x5b, 0x5d]
    #expect(write(other, bytes, 6) == 6)
    let error = #expect(throws: ChannelError.self) { try channel.receive(HostEvent.self) }
    if case .malformed? = error {} else { Issue.record("\(String(describing: error))") }
  }
}

@Suite struct OutputDecoderTests {
  @Test(arguments: ["aé🙂z", "👩‍👩‍👧", "日本語", "plain"])
  func `characters are whole however the bytes are cut`(_ text: String) {
    let bytes = Array(text.utf8)
    for cut in 0...bytes.count {
      for second in cut...bytes.count {
        var decoder = OutputDecoder()
        let parts = [bytes[..<cut], bytes[cut..<second], bytes[second...]].map { decoder.decode($0) }
        #expect(parts.joined() + decoder.finish() == text)
        #expect(!parts.joined().unicodeScalars.contains("\u{FFFD}"))
      }
    }
  }

  @Test func `bytes that are no text are replaced, and nothing waits for ever`() {
    var decoder = OutputDecoder()
    #expect(decoder.decode([0x61, 0xff, 0xfe, 0x62]) == "a\u{FFFD}\u{FFFD}b")
    #expect(decoder.decode([0xe2, 0x82]) == "")
    #expect(decoder.finish() == "\u{FFFD}")
  }
}
