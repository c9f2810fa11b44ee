import ArgumentParser
import ICLEngine

/// `icl-kernel merge`: the result of an experiment whose repetitions shards have kept. Needs no model.
struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Put together what the shards of an experiment kept.",
    discussion: """
      The result has the same bits as that of a single run. The first folder takes over what the others keep.
      """)

  @Argument(help: "Folders that `compare --keep` wrote.") var folders: [String]
  @OptionGroup var output: ResultOutput

  func validate() throws {
    if folders.contains(where: \.isEmpty) { throw ValidationError("A folder's name is empty.") }
  }

  func run() throws {
    try output.check()
    let first = try ExperimentFolder(opening: folders[0])
    for other in folders.dropFirst() { try first.take(from: ExperimentFolder(opening: other)) }
    let kept = try first.whole()
    if first.plan.factor != nil {
      try output.write(first.plan.sweep(of: kept))
    } else {
      try output.write(first.plan.comparison(of: kept))
    }
  }
}
