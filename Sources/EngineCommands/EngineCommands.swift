public import ArgumentParser

/// The commands that use the engine without a notebook, in the order in which help lists them.
public enum EngineCommands {
  public static let all: [any ParsableCommand.Type] = [
    TokenizeCommand.self, StatesCommand.self, GenerateCommand.self, CompareCommand.self, MergeCommand.self,
    StepsCommand.self, VectorsCommand.self,
    TuneCommand.self, QuantizeCommand.self, GrowCommand.self, BenchCommand.self,
  ]
}
