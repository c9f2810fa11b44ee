import Foundation
import ICLEngine
import Synchronization
import Testing

@Suite struct InterruptionTests {
  /// Every layer of every token asks: a call that leaves the next one a little deeper ends in a full stack.
  @Test func `asking again and again is no deeper and no slower`() {
    let depths = Mutex<[UInt]>([])
    let mine = UInt(pthread_self())
    Interruption.install {
      // Other tests' engines ask at the same time, on stacks of their own.
      guard UInt(pthread_self()) == mine else { return false }
      var here = 0
      let address = withUnsafePointer(to: &here) { UInt(bitPattern: $0) }
      depths.withLock { if $0.count < 2 { $0.append(address) } else { $0[1] = address } }
      return false
    }
    defer { Interruption.install { false } }
    for _ in 0..<20_000 { _ = Interruption.isRequested }
    let found = depths.withLock { $0 }
    #expect(found.count == 2 && found[0] == found[1])
  }
}
