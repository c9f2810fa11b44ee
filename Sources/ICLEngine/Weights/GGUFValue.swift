/// A metadata value of a GGUF file, in the type in which the file stores it.
public enum GGUFValue: Sendable, Equatable {
  case uint8(UInt8)
  case int8(Int8)
  case uint16(UInt16)
  case int16(Int16)
  case uint32(UInt32)
  case int32(Int32)
  case float32(Float)
  case bool(Bool)
  case string(String)
  case uint64(UInt64)
  case int64(Int64)
  case float64(Double)
  /// Elements of one type; `elementType` says which even when there are none.
  case array(elementType: ValueType, [GGUFValue])

  /// The type ids of the format.
  public enum ValueType: UInt32, Sendable, CaseIterable {
    case uint8 = 0
    case int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64
  }

  public var valueType: ValueType {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .uint32: .uint32
    case .int32: .int32
    case .float32: .float32
    case .bool: .bool
    case .string: .string
    case .array: .array
    case .uint64: .uint64
    case .int64: .int64
    case .float64: .float64
    }
  }

  public static func strings(_ values: [String]) -> GGUFValue {
    .array(elementType: .string, values.map(GGUFValue.string))
  }
  public static func float32s(_ values: [Float]) -> GGUFValue {
    .array(elementType: .float32, values.map(GGUFValue.float32))
  }
  public static func int32s(_ values: [Int32]) -> GGUFValue {
    .array(elementType: .int32, values.map(GGUFValue.int32))
  }

  /// Any integer type that fits an `Int`; `nil` for every other type.
  public var integer: Int? {
    switch self {
    case .uint8(let v): Int(v)
    case .int8(let v): Int(v)
    case .uint16(let v): Int(v)
    case .int16(let v): Int(v)
    case .uint32(let v): Int(v)
    case .int32(let v): Int(v)
    case .uint64(let v): Int(exactly: v)
    case .int64(let v): Int(v)
    default: nil
    }
  }
  /// `float32` and `float64`; `nil` for every other type.
  public var real: Double? {
    switch self {
    case .float32(let v): Double(v)
    case .float64(let v): v
    default: nil
    }
  }
  public var text: String? { if case .string(let v) = self { v } else { nil } }
  public var boolean: Bool? { if case .bool(let v) = self { v } else { nil } }
  public var elements: [GGUFValue]? { if case .array(_, let v) = self { v } else { nil } }
}
