/// A labelled task of the generator: sentences of a few classes, and the words with which one asks for the class.
package struct TextTask: Sendable {
  package struct Class: Sendable {
    /// The class's meaningful label words; index `i` belongs to the task's label set `i`.
    package let labels: [String]
    package let frames: [Frame]
    /// The class's own words, alone: `superb`. Dense training text; tests never use them.
    package let words: [String]

    fileprivate init(labels: [String], frames: [String], slots: [String: [String]], words: [String]) {
      self.labels = labels
      self.frames = frames.map { Frame($0, slots: slots) }
      self.words = words
    }
  }

  package let name: String
  /// What a text of this task is called: `Review`.
  package let inputName: String
  /// What is asked for: `mood`, `feeling`. The first also names the output: `Mood: positive`.
  package let attributes: [String]
  package let classes: [Class]

  /// The meaningful labels of set `index`, in class order.
  package func labelSet(_ index: Int) -> [String] { classes.map { $0.labels[index] } }
  package var labelSetCount: Int { classes[0].labels.count }

  private init(_ name: String, input: String, attributes: [String], classes: [Class]) {
    self.name = name
    self.inputName = input
    self.attributes = attributes
    self.classes = classes
  }

  /// Sentences are split between training and test by their text alone: about one in eight is held out, and no
  /// training text of any task contains it.
  package static func isHeldOut(_ sentence: String) -> Bool { stableHash(sentence) % 8 == 0 }

  /// A sentence of class `index`, from the training or from the held-out part.
  package func sentence(ofClass index: Int, heldOut: Bool, using generator: inout SeededGenerator) -> String {
    let frames = classes[index].frames
    while true {
      let sentence = frames[generator.index(below: frames.count)].sentence(using: &generator)
      if Self.isHeldOut(sentence) == heldOut { return sentence }
    }
  }

  // MARK: The tasks

  package static let all: [TextTask] = [sentiment, topic, kind, size, entity, tense, weather, travel, emotion]

  package static func named(_ name: String) -> TextTask? { all.first { $0.name == name } }

  private static func classes(
    _ frames: [String], _ list: [(labels: [String], slots: [String: [String]])]
  ) -> [Class] {
    list.map { labels, slots in
      // In a fixed order: a dictionary's own differs from run to run.
      Class(labels: labels, frames: frames, slots: slots, words: slots.sorted { $0.key < $1.key }.flatMap(\.value))
    }
  }

  package static let sentiment = TextTask(
    "sentiment", input: "Review", attributes: ["mood", "sentiment", "opinion"],
    classes: classes(
      [
        "The {reviewed} was {opinion}.", "The {reviewed} was {opinion} and {opinion}.", "I {felt} the {reviewed}.",
        "It was {a} {opinion} {reviewed}.", "We {felt} this {opinion} {reviewed}.", "What {a} {opinion} {reviewed}!",
        "My {relative} {felt} the {reviewed}.", "Everyone said the {reviewed} was {opinion}.",
        "{person} {felt} the {opinion} {reviewed}.", "Both the {reviewed} and the {reviewed} were {opinion}.",
      ],
      [
        (["positive", "good"], ["opinion": Lexicon.words("praise"), "felt": Lexicon.words("liked")]),
        (["negative", "bad"], ["opinion": Lexicon.words("blame"), "felt": Lexicon.words("disliked")]),
      ]))

  package static let topic = TextTask(
    "topic", input: "News", attributes: ["topic", "subject", "theme"],
    classes: classes(
      [
        "The {who} {did} the {what}.", "The {who} {did} the {what} {moment}.", "{A} {who} {did} the {what}.",
        "Our {who} {did} the {what} in {town}.", "The {who} talked about the {what}.",
        "Everyone in {town} read about the {what}.",
      ],
      ["sport", "business", "science", "music", "politics"].map { name in
        (
          [name],
          [
            "who": Lexicon.words(name + "Who"), "did": Lexicon.words(name + "Did"),
            "what": Lexicon.words(name + "What"),
          ]
        )
      }))

  private static let thingFrames = [
    "There was {a} {thing} near the {spot}.", "I saw {a} {thing} by the {spot}.", "{person} drew {a} {thing}.",
    "{person} found {a} {thing} near the {spot}.", "My {relative} has {a} {thing}.", "The {thing} is in the picture.",
    "We talked about the {thing} {moment}.", "{A} {thing} and nothing more.",
  ]

  package static let kind = TextTask(
    "kind", input: "Sentence", attributes: ["kind", "type", "class"],
    classes: classes(
      thingFrames,
      [
        (["animal"], ["thing": Lexicon.words("smallAnimal") + Lexicon.words("largeAnimal")]),
        (["plant"], ["thing": Lexicon.words("smallPlant") + Lexicon.words("largePlant")]),
        (["tool"], ["thing": Lexicon.words("smallTool") + Lexicon.words("largeTool")]),
        (["food"], ["thing": Lexicon.words("smallFood") + Lexicon.words("largeFood")]),
      ]))

  package static let size = TextTask(
    "size", input: "Thing", attributes: ["size", "scale"],
    classes: classes(
      thingFrames,
      [
        (
          ["small", "little"],
          ["thing": ["smallAnimal", "smallPlant", "smallTool", "smallFood"].flatMap(Lexicon.words)]
        ),
        (["large", "big"], ["thing": ["largeAnimal", "largePlant", "largeTool", "largeFood"].flatMap(Lexicon.words)]),
      ]))

  package static let entity = TextTask(
    "entity", input: "Text", attributes: ["name", "entity"],
    classes: classes(
      [
        "We talked about {name} {moment}.", "The letter was about {name}.", "I wrote a song about {name}.",
        "{name} is on my mind {moment}.", "My {relative} thinks of {name}.", "She will never forget {name}.",
        "The story begins with {name}.",
      ],
      [
        (["person"], ["name": Lexicon.words("person")]), (["place"], ["name": Lexicon.words("town")]),
        (["date"], ["name": Lexicon.words("month")]),
      ]))

  package static let tense = TextTask(
    "tense", input: "Line", attributes: ["tense", "time"],
    classes: [
      ("past", "{past}", "past"), ("present", "{present}", "present"), ("future", "will {base}", "base"),
    ].map { label, verb, list in
      let frames = [
        "{person} \(verb) near the {spot}.", "My {relative} \(verb) {how}.", "{person} \(verb) by the {spot} {how}.",
        "The {relative} of {person} \(verb) {how}.",
      ]
      return Class(
        labels: [label], frames: frames, slots: ["how": adverbs],
        words: Lexicon.words(list).map { label == "future" ? "will " + $0 : $0 })
    })

  private static let adverbs = ["early", "late", "alone", "together", "slowly", "quickly", "quietly", "often"]

  package static let weather = TextTask(
    "weather", input: "Report", attributes: ["weather", "outlook"],
    classes: classes(
      [
        "There was {sky} over the {land} {moment}.", "The {land} had {sky} all {weekday}.",
        "At last {sky} came to the {land} in {month}.", "People in {town} spoke of {sky}.",
        "The {sky} stayed over the {land}.",
      ],
      [
        (["warm"], ["sky": Lexicon.words("heat")]), (["cold"], ["sky": Lexicon.words("cold")]),
        (["wet"], ["sky": Lexicon.words("wet")]), (["stormy"], ["sky": Lexicon.words("air")]),
      ]))

  package static let travel = TextTask(
    "travel", input: "Note", attributes: ["route", "way"],
    classes: classes(
      [
        "{person} took {a} {vehicle} to {town}.", "We saw {a} {vehicle} near {town}.",
        "My {relative} bought {a} {vehicle} in {town}.", "The {vehicle} left {town} {moment}.",
        "{A} {vehicle} was waiting for {person}.",
      ],
      [
        (["road"], ["vehicle": Lexicon.words("byRoad")]), (["sea"], ["vehicle": Lexicon.words("bySea")]),
        (["air"], ["vehicle": Lexicon.words("byAir")]),
      ]))

  package static let emotion = TextTask(
    "emotion", input: "Diary", attributes: ["emotion", "feeling"],
    classes: classes(
      [
        "I was {state} {moment}.", "{person} felt {state} and {state}.", "My {relative} was {state} in {town}.",
        "The letter made {person} {state}.", "We were all {state} in {month}.",
        "{person} looked {state} near the {spot}.",
      ],
      [
        (["joy"], ["state": Lexicon.words("joy")]), (["sorrow"], ["state": Lexicon.words("sorrow")]),
        (["anger"], ["state": Lexicon.words("anger")]), (["fear"], ["state": Lexicon.words("fear")]),
      ]))
}

/// FNV-1a, 64 bits, with a final mix: the same for the same text on every machine and in every release, unlike
/// `hashValue`.
package func stableHash(_ text: String) -> UInt64 {
  var hash: UInt64 = 0xcbf2_9ce4_8422_2325
  for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
  var generator = SeededGenerator(seed: hash)
  return generator.next()
}
