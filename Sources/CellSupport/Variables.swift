/// Tells the host that a top-level variable of the running cell has its value, and of which type it is: declared again
/// later, it can be released. Written behind declarations by the kernel.
public func __holds<Value: ~Copyable>(_ index: Int, _ value: borrowing Value) {
  CellSupport.bridge?.holds(index, StoredType<Value>.self)
}

/// The same for a variable that gets its value later.
public func __holdsType<Value: ~Copyable>(_ index: Int, _ type: Value.Type) {
  CellSupport.bridge?.holds(index, StoredType<Value>.self)
}

/// The same, behind the mark of a step: see `__reached`.
public func __reachedHolding<Value: ~Copyable>(_ step: Int, _ index: Int, _ value: borrowing Value) {
  __reached(step)
  CellSupport.bridge?.holds(index, StoredType<Value>.self)
}

/// What the host has to know of a variable's type.
public protocol AnyStoredType {
  static var name: String { get }
  /// Ends the value that lies there, and leaves zeros behind: what comes too late finds an empty value or stops at a null
  /// pointer. Returns false where there was nothing but zeros, so no value.
  static func destroy(at place: UnsafeMutableRawPointer) -> Bool
  /// Whether values of the type refer to nothing that could be released.
  static var isTrivial: Bool { get }
}

enum StoredType<Value: ~Copyable>: AnyStoredType {
  static var name: String {
    // A noncopyable type isn't an `Any.Type`; its description is made from the same words of memory.
    _typeName(unsafeBitCast(Value.self, to: Any.Type.self), qualified: false)
  }

  static var isTrivial: Bool {
    // The value witness table stands before the metadata; its flags follow eight functions, size and stride (Swift ABI,
    // TypeMetadata.rst). Bit 16 says that a value has to be destroyed.
    let metadata = unsafeBitCast(Value.self, to: UnsafeRawPointer.self)
    let witnesses = metadata.load(fromByteOffset: -MemoryLayout<Int>.size, as: UnsafeRawPointer.self)
    let flags = witnesses.load(fromByteOffset: 10 * MemoryLayout<Int>.size, as: UInt32.self)
    return flags & 0x0001_0000 == 0
  }

  static func destroy(at place: UnsafeMutableRawPointer) -> Bool {
    let size = MemoryLayout<Value>.size
    let bytes = UnsafeMutableRawBufferPointer(start: place, count: size)
    guard bytes.contains(where: { $0 != 0 }) else { return false }
    // Taken out first: what its `deinit` does must not find it half gone.
    let taken = UnsafeMutablePointer<Value>.allocate(capacity: 1)
    taken.moveInitialize(from: place.assumingMemoryBound(to: Value.self), count: 1)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    taken.deinitialize(count: 1)
    taken.deallocate()
    return true
  }
}
