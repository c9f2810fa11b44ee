/// A small invented language, Lomi, into which short English sentences translate word for word.
package enum InventedLanguage {
  package static let name = "Lomi"

  /// English word, Lomi word.
  package static let dictionary: [(english: String, lomi: String)] = {
    let pairs =
      """
      the lo  a un  an un  dog kani  cat meso  bird avo  child infi  woman dena  man homu  house domo  tree arbi  river rivo
      garden jadi  road vego  book libo  flower floru  sees vidu  likes amiru  finds trovi  takes preni  draws penti
      old malu  small peti  red roso  blue bluvo  quiet silen  happy feli  new novu  and ke
      """
    let words = pairs.split(whereSeparator: \.isWhitespace).map(String.init)
    return stride(from: 0, to: words.count - 1, by: 2).map { (words[$0], words[$0 + 1]) }
  }()

  private static let lomi = Dictionary(uniqueKeysWithValues: dictionary.map { ($0.english, $0.lomi) })

  private static let nouns = ["dog", "cat", "bird", "child", "woman", "man", "house", "tree", "river", "garden"]
  private static let objects = ["house", "tree", "river", "garden", "road", "book", "flower", "dog", "cat", "bird"]
  private static let verbs = ["sees", "likes", "finds", "takes", "draws"]
  private static let adjectives = ["old", "small", "red", "blue", "quiet", "happy", "new"]

  /// A sentence and its translation: `the old dog sees a tree`, `lo malu kani vidu un arbi`.
  package static func sentence(heldOut: Bool, using generator: inout SeededGenerator) -> (english: String, lomi: String)
  {
    while true {
      var words: [String] = []
      func noun(_ pool: [String], _ generator: inout SeededGenerator) {
        let definite = generator.uniform() < 0.6
        var phrase: [String] = []
        if generator.uniform() < 0.5 { phrase.append(adjectives[generator.index(below: adjectives.count)]) }
        phrase.append(pool[generator.index(below: pool.count)])
        words += [definite ? "the" : "aeiou".contains(phrase[0].prefix(1)) ? "an" : "a"] + phrase
      }
      noun(nouns, &generator)
      words.append(verbs[generator.index(below: verbs.count)])
      noun(objects, &generator)
      let english = words.joined(separator: " ")
      if TextTask.isHeldOut(english) == heldOut { return (english, translation(of: english)) }
    }
  }

  /// Word for word; a word that Lomi lacks stays as it is.
  package static func translation(of english: String) -> String {
    english.split(separator: " ").map { lomi[String($0)] ?? String($0) }.joined(separator: " ")
  }
}
