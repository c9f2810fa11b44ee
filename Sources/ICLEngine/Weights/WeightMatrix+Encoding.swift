extension WeightMatrix {
  /// The same numbers in another type, in memory of their own.
  /// - Throws: `invalidArgument` for a value that can't be stored
  func stored(as type: TensorType, pool: ThreadPool) throws(EngineError) -> WeightMatrix {
    precondition(columns % type.blockSize == 0, "a row must be whole blocks")
    let bytes = OwnedBytes(byteCount: rows * columns / type.blockSize * type.bytesPerBlock)
    var at = 0
    try forEachPortion(as: type, name: name, pool: pool) { portion, _ throws(EngineError) in
      UnsafeMutableRawBufferPointer(rebasing: bytes.bytes[at..<at + portion.count]).copyMemory(from: portion)
      at += portion.count
    }
    return WeightMatrix(
      name: name, type: type, rows: rows, columns: columns, base: UnsafeRawPointer(bytes.bytes.baseAddress!),
      owner: bytes)
  }

  /// Bytes that one portion has at most, about.
  private static let portionBytes = 8 << 20

  /// Calls `body` with the rows in the stored form of `type`, a portion after another, and how many rows they are.
  ///
  /// Rows that have the type already are passed on as they are; others become floats first, a value's rounding being
  /// that of ``BlockQuantizer``.
  /// - Parameter multiple: portions are a multiple of so many rows, but for the last
  /// - Throws: `invalidArgument` for a value that can't be stored, and what `body` throws
  func forEachPortion(
    as type: TensorType, name: String, multiple: Int = 1, pool: ThreadPool = .shared,
    _ body: (UnsafeRawBufferPointer, Int) throws(EngineError) -> Void
  ) throws(EngineError) {
    let bytesPerRow = columns / type.blockSize * type.bytesPerBlock
    let step = max(1, Self.portionBytes / max(1, columns * 4) / multiple) * multiple
    var first = 0
    while first < rows {
      let range = first..<min(rows, first + step)
      first = range.upperBound
      var failure: EngineError?
      func pass(_ bytes: UnsafeRawBufferPointer) {
        do throws(EngineError) { try body(bytes, range.count) } catch { failure = error }
      }
      if type == self.type {
        withRows(range, pass)
      } else {
        let encoded = OwnedBytes(byteCount: range.count * bytesPerRow)
        if let bad = encode(range, as: type, into: encoded, pool: pool) {
          throw BlockQuantizer.unstorable(bad.value, at: bad.index, as: type, name: name)
        }
        pass(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(encoded.bytes)[..<(range.count * bytesPerRow)]))
      }
      if let failure { throw failure }
    }
  }

  /// Encodes some rows. Returns the first value that can't be stored.
  private func encode(
    _ range: Range<Int>, as type: TensorType, into out: OwnedBytes, pool: ThreadPool
  ) -> (index: Int, value: Float)? {
    let bytesPerRow = columns / type.blockSize * type.bytesPerBlock
    let values = FloatMatrix(rows: range.count, columns: columns)
    // A place for each row's finding: threads share nothing.
    let found = FloatMatrix(rows: range.count, columns: 1)
    pool.split(range.count, grain: 1, worth: range.count * columns * 16) { part in
      let stored = range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound
      dequantize(stored, into: values.pointer(row: part.lowerBound))
      for row in part {
        let target = UnsafeMutableRawBufferPointer(
          rebasing: out.bytes[row * bytesPerRow..<(row + 1) * bytesPerRow])
        let source = UnsafeBufferPointer(start: values.pointer(row: row), count: columns)
        if BlockQuantizer.encode(source, as: type, into: target) != nil { found.pointer(row: row)[0] = 1 }
      }
    }
    for row in 0..<range.count where found.pointer(row: row)[0] != 0 {
      let source = UnsafeBufferPointer(start: values.pointer(row: row), count: columns)
      if let column = BlockQuantizer.firstUnstorable(source, as: type) {
        return ((range.lowerBound + row) * columns + column, source[column])
      }
    }
    return nil
  }
}
