public import ArgumentParser
import ICLEngine

/// The commands that use the engine without a notebook, in the order in which help lists them.
public enum EngineCommands {
  /// Of the whole project: `CHANGELOG.md` has the same, a kernel tells it to its clients, results carry it.
  public static let version = EngineVersion.current

  public static let all: [any ParsableCommand.Type] = [
    TokenizeCommand.self, StatesCommand.self, GenerateCommand.self, CompareCommand.self, MergeCommand.self,
    StepsCommand.self, VectorsCommand.self,
    TuneCommand.self, QuantizeCommand.self, GrowCommand.self, BenchCommand.self,
  ]
}
