import ICLEngine

/// Hugging Face folders and GGUF files in parts, small enough to be mutated a million times.
extension SeedCatalogue {
  static func folders() -> [Seed] {
    func text(_ name: String, _ text: String) -> Seed.File { Seed.File(name: name, bytes: FieldedBytes(text)) }
    let byteLevel = text("tokenizer.json", byteLevelTokenizer)
    let pieces = Seed.File(name: "tokenizer.model", bytes: sentencePieceModel())
    let settings = text("tokenizer_config.json", tokenizerSettings)
    let index = """
      {"metadata":{"total_size":1},"weight_map":{\(tensorNames.enumerated().map { number, name in
        "\"\(name)\":\"model-0000\(number % 2 + 1)-of-00002.safetensors\""
      }.joined(separator: ","))}}
      """
    return [
      Seed(
        "folder", .huggingFace, weight: 200,
        [
          text("config.json", configuration(scaling: "\"llama3\",\"low_freq_factor\":1,\"high_freq_factor\":4")),
          Seed.File(name: "model.safetensors", bytes: checkpoint(0..<tensorNames.count)), byteLevel, settings,
        ]),
      Seed(
        "folder-in-parts", .huggingFace, weight: 200,
        [
          text("config.json", configuration(scaling: "\"yarn\",\"beta_fast\":32,\"attention_factor\":null")),
          Seed.File(name: "model-00001-of-00002.safetensors", bytes: checkpoint(stride(from: 0, to: 12, by: 2))),
          Seed.File(name: "model-00002-of-00002.safetensors", bytes: checkpoint(stride(from: 1, to: 12, by: 2))),
          text("model.safetensors.index.json", index), pieces,
        ]),
      Seed("tokenizer-bytes", .tokenizer, weight: 200, [byteLevel, settings]),
      Seed("tokenizer-metaspace", .tokenizer, weight: 200, [text("tokenizer.json", metaspaceTokenizer)]),
      Seed("tokenizer-model", .tokenizer, weight: 200, [pieces]),
      Seed("model-in-parts", .model, weight: 200, parts()),
    ]
  }

  private static func configuration(scaling: String) -> String {
    """
    {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":8,"intermediate_size":12,\
    "num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,"head_dim":4,"vocab_size":32,\
    "max_position_embeddings":64,"rms_norm_eps":1e-05,"rope_theta":500000.0,"hidden_act":"silu",\
    "rope_scaling":{"factor":8.0,"original_max_position_embeddings":16,"rope_type":\(scaling)},\
    "tie_word_embeddings":false,"bos_token_id":1,"eos_token_id":[2,3],"torch_dtype":"float32"}
    """
  }

  private static let tokenizerSettings = """
    {"bos_token":"<s>","eos_token":{"content":"</s>","special":true},"add_bos_token":true,"add_eos_token":false,\
    "chat_template":"{% for message in messages %}<|im_start|>{{ message['role'] }}{% endfor %}"}
    """

  /// Byte-level BPE as Llama 3 has it.
  private static let byteLevelTokenizer = #"""
    {"version":"1.0","truncation":null,"padding":null,"added_tokens":[
    {"id":0,"content":"<unk>","special":true,"normalized":false,"single_word":false,"lstrip":false,"rstrip":false},
    {"id":1,"content":"<s>","special":true},{"id":2,"content":"</s>","special":true},
    {"id":18,"content":"<x>","special":false,"lstrip":true,"rstrip":true,"single_word":true,"normalized":true}],
    "normalizer":null,"pre_tokenizer":{"type":"Sequence","pretokenizers":[
    {"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},
    {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]},
    "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
    {"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}},
    "decoder":{"type":"ByteLevel"},"model":{"type":"BPE","dropout":null,"unk_token":null,"fuse_unk":false,
    "byte_fallback":false,"ignore_merges":true,"vocab":{"a":3,"b":4,"c":5,"Ġ":6,"ab":7,"Ġa":8,"1":9,"2":10,"12":11,
    "'":12,"s":13,"'s":14,"abab":15,"Ġab":16,"\u00e9":17},
    "merges":["a b",["Ġ","a"],"1 2","' s","ab ab",["Ġ","ab"]]}}
    """#

  /// SentencePiece's BPE as Llama 2's converted files have it.
  private static let metaspaceTokenizer = #"""
    {"version":"1.0","added_tokens":[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"<s>","special":true},
    {"id":2,"content":"</s>","special":true}],"normalizer":{"type":"Sequence","normalizers":[
    {"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"pre_tokenizer":null,
    "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
    {"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}},
    "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
    {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
    "model":{"type":"BPE","dropout":null,"unk_token":"<unk>","continuing_subword_prefix":null,
    "end_of_word_suffix":null,"fuse_unk":true,"byte_fallback":true,"ignore_merges":false,
    "vocab":{"<unk>":0,"<s>":1,"</s>":2,"<0x41>":3,"<0xC3>":4,"<0xA9>":5,"▁":6,"a":7,"b":8,"▁a":9,"ab":10,"▁ab":11},
    "merges":["▁ a","a b","▁ ab","▁a b"]}}
    """#

  // MARK: Weights

  private static let tensors: [(name: String, shape: [Int])] = [
    ("model.embed_tokens.weight", [32, 8]), ("model.layers.0.input_layernorm.weight", [8]),
    ("model.layers.0.mlp.down_proj.weight", [8, 12]), ("model.layers.0.mlp.gate_proj.weight", [12, 8]),
    ("model.layers.0.mlp.up_proj.weight", [12, 8]), ("model.layers.0.post_attention_layernorm.weight", [8]),
    ("model.layers.0.self_attn.k_proj.weight", [4, 8]), ("model.layers.0.self_attn.o_proj.weight", [8, 8]),
    ("model.layers.0.self_attn.q_proj.weight", [8, 8]), ("model.layers.0.self_attn.v_proj.weight", [4, 8]),
    ("model.norm.weight", [8]), ("lm_head.weight", [32, 8]),
  ]
  private static let tensorNames = tensors.map(\.name)

  /// A safetensors file of some of the tensors, F32, F16 and BF16 in turn.
  private static func checkpoint(_ chosen: some Sequence<Int>) -> FieldedBytes {
    var generator = SeededGenerator(seed: 21)
    var header: [String] = [#""__metadata__":{"format":"pt"}"#]
    var data: [UInt8] = []
    for index in chosen {
      let (name, shape) = tensors[index]
      let start = data.count
      for _ in 0..<shape.reduce(1, *) {
        let value = Float(generator.uniform() - 0.5)
        switch index % 3 {
        case 0: withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) }
        case 1: withUnsafeBytes(of: Float16(value).bitPattern.littleEndian) { data.append(contentsOf: $0) }
        default: withUnsafeBytes(of: UInt16(value.bitPattern >> 16).littleEndian) { data.append(contentsOf: $0) }
        }
      }
      let type = ["F32", "F16", "BF16"][index % 3]
      header.append("\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(start),\(data.count)]}")
    }
    let text = "{\(header.joined(separator: ","))}"
    var file = FieldedBytes()
    file.field(UInt64(text.utf8.count))
    file.bytes += Array(text.utf8) + data
    return file
  }

  // MARK: SentencePiece

  /// A `ModelProto`: pieces, the trainer's and the normalizer's settings.
  private static func sentencePieceModel() -> FieldedBytes {
    var bytes: [UInt8] = []
    func varint(_ value: UInt64) -> [UInt8] {
      var (rest, result) = (value, [UInt8]())
      while rest >= 0x80 {
        result.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
      }
      return result + [UInt8(rest)]
    }
    func message(_ number: UInt64, _ content: [UInt8]) -> [UInt8] {
      varint(number << 3 | 2) + varint(UInt64(content.count)) + content
    }
    func setting(_ number: UInt64, _ value: UInt64) -> [UInt8] { varint(number << 3) + varint(value) }
    let words: [(String, UInt64)] = [
      ("<unk>", 2), ("<s>", 3), ("</s>", 3), ("<0x41>", 6), ("<0xC3>", 6), ("<0xA9>", 6),
    ]
    let texts = ["▁", "a", "b", "▁a", "ab", "▁ab", "1", "2", "c"].map { ($0, UInt64(1)) } + [("<x>", UInt64(4))]
    for (index, (text, kind)) in (words + texts).enumerated() {
      let score = withUnsafeBytes(of: (-Float(index)).bitPattern.littleEndian) { [UInt8]($0) }
      bytes += message(1, message(1, Array(text.utf8)) + [2 << 3 | 5] + score + setting(3, kind))
    }
    // Type BPE; ids of unknown, BOS, EOS and (none, −1) padding.
    bytes += message(2, setting(3, 2) + setting(40, 0) + setting(41, 1) + setting(42, 2) + setting(43, .max))
    bytes += message(3, message(1, Array("identity".utf8)) + setting(3, 1) + setting(4, 0) + setting(5, 1))
    return FieldedBytes(bytes)
  }

  // MARK: Parts

  /// A model in two files as llama.cpp splits it.
  private static func parts() -> [Seed.File] {
    let whole = model(.q8_0)
    return (0..<2).map { index in
      let part = whole.part(index, of: 2)
      return Seed.File(name: "model-0000\(index + 1)-of-00002.gguf", bytes: part.fielded)
    }
  }
}
