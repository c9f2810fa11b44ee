import Foundation

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Whether `text` is one well-formed XML document.
func isWellFormedXML(_ text: String) -> Bool {
  let parser = XMLParser(data: Data(text.utf8))
  return parser.parse()
}
