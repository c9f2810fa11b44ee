/// One text of the training data: an instruction, demonstrations, and what counts in the loss.
package struct Episode: Sendable, Equatable {
  /// An example as it stands in the text, and how much its answer weighs in the loss.
  package struct Item: Sendable, Equatable {
    package var text: String
    package var answer: String
    package var weight: Float
  }
  package var wording: Wording
  package var items: [Item]

  /// The text as the model reads it.
  package var text: String {
    let (before, between) = wording.frame
    return items.reduce(wording.instruction + "\n") { text, item in
      text + before + item.text + between + " " + item.answer + "\n"
    }
  }
}

/// Token ids with the weight of each in the loss; `weights[i]` belongs to predicting `ids[i]` from what is before it.
package struct TokenSequence: Sendable, Equatable {
  package var ids: [Int]
  package var weights: [Float]

  package init(ids: [Int] = [], weights: [Float] = []) {
    self.ids = ids
    self.weights = weights
  }

  package mutating func append(_ tokens: [Int], weight: Float) {
    ids += tokens
    weights += [Float](repeating: weight, count: tokens.count)
  }
}
