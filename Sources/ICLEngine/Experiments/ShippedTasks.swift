/// The tasks that come with the engine, in the words that the model that ships was grown on: sentences, instructions
/// and label words are those that its training never showed for the task.
extension ClassificationTask {
  /// Reviews, positive or negative.
  public static let sentiment = ClassificationTask(of: .sentiment)
  /// News about sport, business, science or music.
  public static let topic = ClassificationTask(of: .topic, classes: 4)
  /// Sentences about an animal, a plant, a tool or some food.
  public static let kind = ClassificationTask(of: .kind)
  /// Sentences about something small or something large.
  public static let size = ClassificationTask(of: .size)
  /// Texts that name a person, a place or a date.
  public static let entity = ClassificationTask(of: .entity)
  /// Lines in the past, the present or the future.
  public static let tense = ClassificationTask(of: .tense)
  /// Reports of warm, cold, wet or stormy weather.
  public static let weather = ClassificationTask(of: .weather)
  /// Notes about travel by road, sea or air.
  public static let travel = ClassificationTask(of: .travel)
  /// Diaries of joy, sorrow, anger or fear.
  public static let emotion = ClassificationTask(of: .emotion)

  /// All of them, by name.
  public static let shipped: [ClassificationTask] = [
    sentiment, topic, kind, size, entity, tense, weather, travel, emotion, translation,
  ]

  /// The names of `shipped`, known without writing any of the tasks' sentences: that takes a tenth of a second.
  public static var shippedNames: [String] { TextTask.all.map(\.name) + [translationName] }

  /// Sentences of each class in the pool of demonstrations, and in that of queries.
  private static let sentencesPerClass = 120

  /// - Parameter classes: how many of the task's classes are used, from the first
  private init(of task: TextTask, classes count: Int? = nil) {
    let classes = Array(0..<min(count ?? .max, task.classes.count))
    var generator = SeededGenerator(seed: 0, stream: "task " + task.name)
    var seen: Set<String> = []
    var demonstrations: [Example] = []
    var queries: [Example] = []
    for label in classes {
      var sentences: [Example] = []
      // Held-out sentences are finite: when new ones become rare, the pools are as large as they got.
      for _ in 0..<Self.sentencesPerClass * 40 where sentences.count < 2 * Self.sentencesPerClass {
        let sentence = task.sentence(ofClass: label, heldOut: true, using: &generator)
        if seen.insert(sentence).inserted { sentences.append(Example(sentence, label: label)) }
      }
      demonstrations += sentences.prefix(sentences.count / 2)
      queries += sentences.dropFirst(sentences.count / 2)
    }
    let instructions = Wording.instructions(for: task).filter(Wording.isHeldOut)
    self.init(
      unchecked: task.name,
      template: PromptTemplate(input: task.inputName, output: task.outputName),
      instructions: instructions, labels: classes.map { task.classes[$0].labels[0] },
      arbitraryLabels: LabelPool.arbitrary(for: task, heldOut: true), examples: demonstrations, queries: queries)
  }

  /// The task that comes with the engine under this name.
  /// - Throws: `invalidArgument`, with the names there are
  public static func shipped(named name: String) throws(EngineError) -> ClassificationTask {
    guard let task = shipped.first(where: { $0.name == name }) else {
      throw EngineError(
        .invalidArgument, "no task of this name comes with the engine", at: "task \(name)",
        expected: shippedNames.joined(separator: ", "), found: name,
        nextStep: "use one of these, or make a ClassificationTask of your own")
    }
    return task
  }
}
