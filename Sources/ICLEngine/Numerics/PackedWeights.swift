import CQuantKernels
import Glibc
import Synchronization

/// A matrix packed for integer products: panels of 16 rows, `panelBytes` each.
package struct PackedMatrix: @unchecked Sendable {
  // Unchecked: written before it leaves `PackedWeights`, never afterwards; the arena lives as long as `owner`.
  package let panels: UnsafeRawPointer
  package let panelBytes: Int
  fileprivate let owner: PackedWeights
}

/// The packed matrices of one model, each made when it is first used and kept. Models that share weights share these.
package final class PackedWeights: Sendable {
  private let state = Mutex(State())

  private struct State: @unchecked Sendable {
    // Unchecked: reached only through the mutex.
    var matrices: [ObjectIdentifier: (weight: WeightMatrix, panels: UnsafeRawPointer)] = [:]
    var chunks: [LargePages] = []
    var free: UnsafeMutableRawBufferPointer?
    var byteCount = 0
  }

  package init() {}

  /// Bytes that packed matrices take.
  package var byteCount: Int { state.withLock { $0.byteCount } }

  /// Bytes that the packed form of a matrix takes where products are computed so: whole panels of 16 rows in
  /// ``Precision/int8``; none for a type without integer products, and none in the other precisions.
  package static func byteCount(of weight: WeightMatrix, in precision: Precision) -> Int {
    switch precision {
    case .f32, .bf16: 0
    case .int8: (weight.rows + 15) / 16 * cqk_int8_panel_bytes(weight.type.kernelType, weight.columns)
    }
  }

  /// The packed form of a matrix, or `nil` when its type has no integer products. The first call packs.
  package func packed(_ weight: WeightMatrix, pool: ThreadPool) -> PackedMatrix? {
    let panelBytes = cqk_int8_panel_bytes(weight.type.kernelType, weight.columns)
    guard panelBytes > 0 else { return nil }
    return state.withLock { state in
      if let known = state.matrices[ObjectIdentifier(weight)] {
        return PackedMatrix(panels: known.panels, panelBytes: panelBytes, owner: self)
      }
      let count = (weight.rows + 15) / 16
      let place = Self.room(count * panelBytes, &state)
      pool.split(count, grain: 1, worth: weight.rows * weight.columns) { range in
        for panel in range {
          let rows = panel * 16..<min(weight.rows, panel * 16 + 16)
          weight.withRows(rows) { bytes in
            guard let blocks = bytes.baseAddress else { return }
            cqk_pack_int8_panel(
              weight.type.kernelType, blocks, weight.bytesPerRow, rows.count, weight.columns,
              place + panel * panelBytes)
          }
        }
      }
      // The weight is kept too, so that its identity stays its own.
      state.matrices[ObjectIdentifier(weight)] = (weight, UnsafeRawPointer(place))
      state.byteCount += count * panelBytes
      return PackedMatrix(panels: UnsafeRawPointer(place), panelBytes: panelBytes, owner: self)
    }
  }

  /// Room in the last chunk, or in a new one. Matrices stand together, so that few of the large pages are half empty.
  private static func room(_ byteCount: Int, _ state: inout State) -> UnsafeMutableRawPointer {
    let size = (byteCount + 63) / 64 * 64
    if let free = state.free, free.count >= size, let start = free.baseAddress {
      state.free = UnsafeMutableRawBufferPointer(start: start + size, count: free.count - size)
      return start
    }
    let chunk = LargePages(byteCount: max(size, 64 << 20))
    state.chunks.append(chunk)
    state.free = UnsafeMutableRawBufferPointer(start: chunk.start + size, count: chunk.byteCount - size)
    return chunk.start
  }
}

/// Memory in large pages where the system has them: weights that stream past once for each token are read several times
/// as fast as from pages of 4 KB, which the processor must look up one by one. Only what is written takes memory.
package final class LargePages: @unchecked Sendable {
  // Unchecked: who allocates decides who writes.
  package let start: UnsafeMutableRawPointer
  package let byteCount: Int

  package init(byteCount: Int) {
    let page = 2 << 20
    self.byteCount = (max(1, byteCount) + page - 1) / page * page
    start = .allocate(byteCount: self.byteCount, alignment: page)
    // A refusal costs speed alone.
    _ = madvise(start, self.byteCount, MADV_HUGEPAGE)
  }
  deinit { start.deallocate() }
}
