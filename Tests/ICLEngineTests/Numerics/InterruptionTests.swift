import ICLEngine
import Synchronization
import Testing

@Suite(.serialized) struct InterruptionTests {
  /// Every layer of every token asks: a call that leaves the next one a little deeper ends in a full stack.
  @Test func `asking again and again is no deeper and no slower`() {
    let depths = Mutex<[UInt]>([])
    Interruption.install {
      var here = 0
      let address = withUnsafePointer(to: &here) { UInt(bitPattern: $0) }
      depths.withLock { if $0.isEmpty || $0.count == 1 { $0.append(address) } else { $0[1] = address } }
      return false
    }
    defer { Interruption.install { false } }
    for _ in 0..<20_000 { _ = Interruption.isRequested }
    let found = depths.withLock { $0 }
    #expect(found.count == 2 && found[0] == found[1])
  }
}
