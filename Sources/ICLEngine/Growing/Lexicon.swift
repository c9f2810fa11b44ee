/// The words of which generated text is made, by what they mean. Written by hand; every list is in a fixed order,
/// because random draws index into it.
package enum Lexicon {
  /// A named list of words.
  package struct List: Sendable {
    package let name: String
    package let words: [String]
    init(_ name: String, _ text: String) {
      self.name = name
      words = text.split(whereSeparator: \.isWhitespace).map(String.init)
    }
  }

  /// The words of the list called `name`; empty when there is none (a test holds that every frame's slots exist).
  package static func words(_ name: String) -> [String] { byName[name] ?? [] }

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0.words) })

  package static let all: [List] = people + opinions + newsWords + things + weatherWords + travelWords + verbs

  // MARK: People, places and time

  private static let people = [
    List(
      "person",
      """
      Anna Ben Clara David Emma Felix Grace Henry Iris Jack Kate Leo Maria Nora Oscar Paul Rosa Sam Tom Vera Walter
      Lucy Peter Alice
      """),
    List(
      "town",
      """
      Paris London Rome Berlin Madrid Vienna Prague Oslo Lisbon Dublin Athens Cairo Tokyo Boston Chicago Sydney Kenya
      Norway Spain Peru Canada Brazil Egypt Poland
      """),
    List(
      "month",
      """
      January February March April May June July August September October November December
      """),
    List("weekday", "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    List("relative", "mother father sister brother aunt uncle cousin friend neighbour teacher doctor daughter son"),
    List("spot", "river house road bridge gate wall door window tree fence station church school market hill lake"),
    List("moment", "today yesterday again tonight once twice recently lately"),
  ]

  // MARK: Opinions and feelings

  private static let opinions = [
    List(
      "reviewed",
      """
      film book meal hotel play show novel concert game phone coat cake soup coffee room garden museum tour trip
      lesson story dinner pizza service breakfast
      """),
    List(
      "praise",
      """
      good great wonderful lovely excellent superb brilliant delightful charming beautiful perfect splendid pleasant
      amazing fantastic marvellous enjoyable impressive magnificent outstanding elegant tasteful clever fine
      """),
    List(
      "blame",
      """
      bad awful terrible dreadful horrible poor dull boring ugly nasty weak dismal dreary bland stale tedious clumsy
      disappointing shabby miserable lousy rotten unpleasant worthless
      """),
    List("liked", "loved enjoyed liked adored admired praised recommended treasured"),
    List("disliked", "hated disliked regretted loathed despised criticised rejected resented"),
    List("joy", "glad happy cheerful merry joyful proud thankful hopeful delighted pleased"),
    List("sorrow", "sad unhappy lonely tearful sorry gloomy heartbroken hopeless upset mournful"),
    List("anger", "angry furious cross annoyed enraged irritated bitter outraged hostile mad"),
    List("fear", "afraid scared frightened terrified nervous anxious worried alarmed fearful uneasy"),
  ]

  // MARK: News

  private static let newsWords = [
    List("sportWho", "team coach striker goalkeeper runner swimmer champion club captain player"),
    List("sportDid", "won lost scored entered dominated drew"),
    List("sportWhat", "match race cup final league medal tournament goal title championship"),
    List("businessWho", "bank company firm trader investor manager factory shop owner merchant"),
    List("businessDid", "bought sold raised cut borrowed financed"),
    List("businessWhat", "shares prices loan contract profit budget wages taxes debt brand"),
    List(
      "scienceWho",
      "scientist astronomer biologist chemist physicist laboratory researcher professor geologist botanist"),
    List("scienceDid", "discovered measured observed tested studied explained"),
    List("scienceWhat", "planet cell virus atom comet experiment theory fossil gene galaxy"),
    List("musicWho", "singer band choir pianist violinist orchestra composer drummer soprano guitarist"),
    List("musicDid", "sang played recorded performed composed rehearsed"),
    List("musicWhat", "song symphony album melody opera tune ballad anthem chorus sonata"),
    List("politicsWho", "minister president senate mayor king parliament government party senator governor"),
    List("politicsDid", "passed vetoed proposed signed debated opposed"),
    List("politicsWhat", "law treaty bill reform vote election decree statute constitution amendment"),
  ]

  // MARK: Things and their sizes

  private static let things = [
    List("smallAnimal", "ant mouse bee fly beetle snail frog sparrow worm spider moth shrimp"),
    List("largeAnimal", "elephant whale horse bear camel giraffe bull rhino moose hippo shark bison"),
    List("smallPlant", "daisy clover moss violet fern basil tulip herb weed mushroom"),
    List("largePlant", "oak pine palm redwood cedar willow beech elm maple poplar"),
    List("smallTool", "needle pin nail screw key brush spoon pencil scissors tweezers"),
    List("largeTool", "crane tractor plough bulldozer drill excavator anvil ladder press loom"),
    List("smallFood", "grape olive pea bean berry nut cherry raisin lentil date"),
    List("largeFood", "pumpkin melon loaf turkey ham cabbage feast marrow banquet roast"),
  ]

  // MARK: Weather and travel

  private static let weatherWords = [
    List("heat", "sunshine heat drought warmth sunlight"),
    List("cold", "snow ice frost sleet hail slush"),
    List("wet", "rain drizzle mist dew fog moisture"),
    List("air", "wind thunder lightning turbulence"),
    List("land", "valley coast city desert forest island plain village mountains harbour"),
  ]

  private static let travelWords = [
    List("byRoad", "car bus truck van bicycle taxi tram lorry motorcycle coach"),
    List("bySea", "boat ship ferry canoe yacht raft sailboat steamer barge kayak"),
    List("byAir", "plane jet helicopter glider balloon airship airliner biplane seaplane parachute"),
  ]

  // MARK: Verbs in three tenses

  private static let verbs = [
    List("past", "walked worked cooked danced laughed waited travelled painted rested smiled climbed talked"),
    List("present", "walks works cooks dances laughs waits travels paints rests smiles climbs talks"),
    List("base", "walk work cook dance laugh wait travel paint rest smile climb talk"),
  ]

  /// Words that label classes without a meaning: made-up ones first, then true words from elsewhere.
  package static let arbitraryLabels = List(
    "arbitrary",
    """
    zib dax wug blick toma fep gorp mib nup quon rif sak tove vash welk yop zorn blim crad drun flob glip hask jum
    klim lorp mave nilt ponk ruz snib trell urm vint wam yerk zalt brask chim dorb
    red blue green yellow black white pink brown north south east west one two three four five six left right
    circle square star cross iron silver gold copper alpha beta gamma delta
    """
  ).words
}
