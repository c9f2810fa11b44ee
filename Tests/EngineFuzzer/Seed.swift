/// A valid file, or a folder of files, from which hostile ones are made.
struct Seed {
  /// What reads the files.
  enum Kind: String, CaseIterable {
    /// A GGUF model: loaded, run on a prompt, its tokenizer tried.
    case model
    /// A Hugging Face folder: loaded and run as a model.
    case huggingFace
    /// The tokenizer of a Hugging Face folder: texts encoded and decoded.
    case tokenizer
    /// A GGUF vocabulary: texts encoded and decoded.
    case vocabulary
    /// A safetensors file: every tensor's floats.
    case tensors
    /// A PEFT folder, read for ``Target/adapterShape``.
    case adapter
    /// A CSV, TSV or JSONL of labelled examples.
    case examples
    /// The choices of a comparison as JSON.
    case specification
    /// A state of training, read into a trainer of ``Target/adapterShape``.
    case training
    /// A tuning run's checkpoint, gone on from.
    case checkpoint
  }

  struct File {
    /// Within the seed's folder.
    let name: String
    var bytes: FieldedBytes
  }

  let name: String
  let kind: Kind
  var files: [File]
  /// How often the seed is chosen, relative to others; large files are slow and come seldom.
  var weight = 100
  /// Whether the engine refuses even the unchanged file: one that others wrote, of another kind than it reads.
  var isRefused = false

  init(_ name: String, _ kind: Kind, weight: Int = 100, _ files: [File]) {
    (self.name, self.kind, self.weight, self.files) = (name, kind, weight, files)
  }
}

/// Bytes of which some are known to be integers that a reader believes: lengths, counts, types, offsets.
struct FieldedBytes {
  struct Field {
    let offset: Int
    /// 1, 2, 4 or 8.
    let width: Int
  }
  var bytes: [UInt8] = []
  private(set) var fields: [Field] = []

  init(_ bytes: [UInt8] = []) { self.bytes = bytes }
  init(_ text: String) { bytes = Array(text.utf8) }

  /// Appends a little-endian integer and remembers where it stands.
  mutating func field<T: FixedWidthInteger>(_ value: T) {
    fields.append(Field(offset: bytes.count, width: MemoryLayout<T>.size))
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// A length as `u64`, then the text.
  mutating func string(_ text: String) {
    field(UInt64(text.utf8.count))
    bytes += Array(text.utf8)
  }

  mutating func append(_ other: FieldedBytes) {
    fields += other.fields.map { Field(offset: $0.offset + bytes.count, width: $0.width) }
    bytes += other.bytes
  }

  mutating func pad(to alignment: Int) {
    while bytes.count % alignment != 0 { bytes.append(0) }
  }
}
