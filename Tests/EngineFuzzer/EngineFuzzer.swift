import ArgumentParser
import Foundation

/// Feeds the engine files that are not what they should be, and reports what crashes, hangs or takes memory.
///
///     EngineFuzzer --cases 1000000            the whole run
///     EngineFuzzer --replay 4711 --into DIR   writes one case's files and runs it in this process
@main
struct EngineFuzzer: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Mutated weight files, tokenizers, adapters and datasets: none may crash, hang or fill the memory.",
    discussion: """
      A finding is a signal, an error that is not the engine's own, more than a second of CPU time, or more memory \
      than the file's size plus 64 MB (address space and resident, each beyond what the process had after loading \
      every valid file). The same --seed and --cases give the same files.
      """)

  @Option(help: "How many files.") var cases = 20_000
  @Option(help: "Which files: the same number, the same files.") var seed: UInt64 = 1
  @Option(help: "Processes at a time.") var workers = ProcessInfo.processInfo.activeProcessorCount
  @Option(help: "Only seeds whose name contains this.") var only: String?
  @Option(help: "Where the files of findings are kept.") var keep = "out/fuzz"
  @Option(help: "Runs one case in this process.") var replay: Int?
  @Flag(help: "Writes the valid files, and says which of them the engine reads.") var seeds = false
  @Option(help: .hidden) var worker: String?
  @Option(help: .hidden) var from = 0
  @Option(help: .hidden) var to = 0

  func run() throws {
    var chosen = try SeedCatalogue.make()
    if let only { chosen.removeAll { !$0.name.contains(only) } }
    guard !chosen.isEmpty, cases > 0 else { throw ValidationError("no seed is called so, or no case is asked for") }
    let plan = Plan(seeds: chosen, count: cases, randomSeed: seed)
    if let worker {
      try Worker(plan: plan, range: from..<to, folder: URL(filePath: worker)).run()
    } else if seeds {
      for seed in chosen {
        let folder = URL(filePath: keep).appending(path: seed.name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for file in seed.files { try Data(file.bytes.bytes).write(to: folder.appending(path: file.name)) }
        print("\(try Target.run(seed, in: folder)) \(folder.path)")
      }
    } else if let replay {
      let place = try write(plan, replay)
      print("case \(replay) of \(plan.seeds[plan.make(replay).seed].name), in \(place.path)")
      print(try Target.run(plan.seeds[plan.make(replay).seed], in: place))
    } else {
      try campaign(plan)
    }
  }

  private func campaign(_ plan: Plan) throws {
    var arguments = ["--cases", "\(cases)", "--seed", "\(seed)"]
    if let only { arguments += ["--only", only] }
    let began = Date()
    let campaign = try Campaign(plan: plan, workers: max(1, workers), arguments: arguments)
    try campaign.run { done in
      FileHandle.standardError.write(Data("\(done) of \(cases)\n".utf8))
    }
    let summary = campaign.summary
    print(
      "\(summary.accepted + summary.refused) files of \(plan.seeds.count) seeds in "
        + "\(Int(Date().timeIntervalSince(began))) s: \(summary.accepted) read, \(summary.refused) refused, "
        + "\(summary.findings.count) findings; slowest \(summary.longest / 1_000_000) ms (case "
        + "\(summary.longestNumber)), most memory beyond the valid files' \(summary.growth >> 10) KB")
    for finding in summary.findings.prefix(50) {
      let place = try write(plan, finding.number)
      print("case \(finding.number) of \(finding.seed): \(finding.what)\n  \(place.path)")
    }
    if !summary.findings.isEmpty { throw ExitCode.failure }
  }

  /// Writes one case's folder.
  private func write(_ plan: Plan, _ number: Int) throws -> URL {
    let made = plan.make(number)
    let folder = URL(filePath: keep).appending(path: "\(seed)-\(cases)-\(number)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (index, file) in plan.seeds[made.seed].files.enumerated() {
      try Data(index == made.file ? made.bytes : file.bytes.bytes).write(to: folder.appending(path: file.name))
    }
    return folder
  }
}
