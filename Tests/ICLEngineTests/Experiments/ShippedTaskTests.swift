import ICLEngine
import Testing

@Suite struct `Tasks that come with the engine` {
  // By name: a failed test says its arguments, and a task is hundreds of sentences.
  @Test(arguments: ClassificationTask.shipped.filter { !$0.hasWrittenAnswers }.map(\.name))
  func `are valid, with enough of each class and no query among the demonstrations`(name: String) throws {
    let task = try ClassificationTask.shipped(named: name)
    try task.validate()
    #expect(Set(task.arbitraryLabels).count >= task.labels.count)
    #expect(Set(task.arbitraryLabels).isDisjoint(with: task.labels))
    #expect(!task.instructions.isEmpty)
    #expect(task.queries.count >= 50)
    for label in task.labels.indices {
      #expect(task.examples.count { $0.label == label } >= 10)
      #expect(task.queries.count { $0.label == label } >= 10)
    }
    #expect(Set(task.examples.map(\.fields)).isDisjoint(with: task.queries.map(\.fields)))
    #expect(Set(task.examples.map(\.fields)).count == task.examples.count)
  }

  @Test func `one is to write a translation, word for word, of sentences that training held out`() throws {
    let task = ExperimentTask.translation
    try task.validate()
    #expect(ClassificationTask.shipped.filter(\.hasWrittenAnswers) == [task])
    #expect(task.examples.count == 120 && task.queries.count == 120 && task.labels.isEmpty)
    for example in task.examples + task.queries {
      let english = try #require(example.fields["text"])
      #expect(TextTask.isHeldOut(english))
      #expect(example.answer == InventedLanguage.translation(of: english))
    }
    #expect(Set(task.examples.map(\.fields)).isDisjoint(with: task.queries.map(\.fields)))
  }

  @Test func `are found by name, and an unknown name says which there are`() throws {
    #expect(try ClassificationTask.shipped(named: "sentiment") == .sentiment)
    do {
      _ = try ClassificationTask.shipped(named: "sentimant")
      Issue.record("found")
    } catch {
      #expect(error.description.contains("sentiment, topic"))
    }
  }

  @Test func `have names that are known without making them`() {
    #expect(ClassificationTask.shippedNames == ClassificationTask.shipped.map(\.name))
  }

  @Test func `have templates that are read again`() throws {
    for task in ClassificationTask.shipped { #expect(try PromptTemplate(task.template.text) == task.template) }
  }
}
