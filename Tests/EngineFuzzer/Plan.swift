import ICLEngine

/// Which mutated file has which number. The first part is systematic: every seed of moderate size cut off at every
/// byte, and every boundary value in every known integer; the rest is random.
struct Plan {
  struct Case {
    let seed: Int
    /// The file of the seed that is changed, and what it becomes.
    let file: Int
    let bytes: [UInt8]
  }

  let seeds: [Seed]
  let count: Int
  private let randomSeed: UInt64
  /// For each seed and file: how many systematic cases come before.
  private var starts: [(first: Int, seed: Int, file: Int)] = []
  private var systematicCount = 0
  /// Systematic cases in this run: all of them, or an even selection.
  private let systematicShare: Int
  private let weights: [Int]

  /// Larger seeds are cut off at random places only.
  private static let largestSystematic = 20_000

  init(seeds: [Seed], count: Int, randomSeed: UInt64) {
    (self.seeds, self.count, self.randomSeed) = (seeds, count, randomSeed)
    for (index, seed) in seeds.enumerated() {
      for (place, file) in seed.files.enumerated() where file.bytes.bytes.count <= Self.largestSystematic {
        starts.append((systematicCount, index, place))
        systematicCount += file.bytes.bytes.count + file.bytes.fields.count * Mutation.boundaries.count
      }
    }
    systematicShare = min(systematicCount, count / 2)
    var total = 0
    weights = seeds.map {
      total += $0.weight
      return total
    }
  }

  /// The case with a number from `0..<count`.
  func make(_ number: Int) -> Case {
    number < systematicShare
      ? systematic(number * systematicCount / max(1, systematicShare)) : random(number)
  }

  private func systematic(_ number: Int) -> Case {
    // The last start that isn't beyond the number.
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle].first <= number { low = middle } else { high = middle }
    }
    let (first, seed, file) = starts[low]
    let fielded = seeds[seed].files[file].bytes
    let offset = number - first
    if offset < fielded.bytes.count {
      return Case(seed: seed, file: file, bytes: Array(fielded.bytes[..<offset]))
    }
    let (field, value) = (offset - fielded.bytes.count).quotientAndRemainder(dividingBy: Mutation.boundaries.count)
    var bytes = fielded.bytes
    Mutation.write(
      Mutation.boundaries[value], width: fielded.fields[field].width, at: fielded.fields[field].offset, to: &bytes)
    return Case(seed: seed, file: file, bytes: bytes)
  }

  private func random(_ number: Int) -> Case {
    var generator = SeededGenerator(seed: randomSeed ^ 0x5eed, stream: "case \(number)")
    let point = generator.index(below: weights[weights.count - 1])
    let seed = weights.firstIndex { point < $0 } ?? 0
    let file = generator.index(below: seeds[seed].files.count)
    // A partner of the same kind whose file has the same place.
    let partners = seeds.indices.filter {
      seeds[$0].kind == seeds[seed].kind && seeds[$0].files.count > file && seeds[$0].weight >= 10
    }
    let partner = partners.isEmpty ? seed : partners[generator.index(below: partners.count)]
    var mutation = Mutation(seed: randomSeed, number: number)
    return Case(
      seed: seed, file: file,
      bytes: mutation.apply(to: seeds[seed].files[file].bytes, splicing: seeds[partner].files[file].bytes))
  }
}
