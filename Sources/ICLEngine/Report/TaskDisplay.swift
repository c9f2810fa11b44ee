public import NotebookDisplay

extension ClassificationTask: RichDisplayable {
  /// What the task asks, and an example of each label as a prompt would show it.
  public var mimeBundle: MIMEBundle {
    let table = examplesTable
    let plain = ([heading] + (instructions.first.map { ["Instruction: \($0)"] } ?? []) + [table.plainText])
    let html =
      "<div><p style=\"margin:6px 0\">\(heading.markupEscaped)</p>"
      + (instructions.first.map {
        "<p style=\"margin:6px 0\">Instruction: <em>\($0.markupEscaped)</em></p>"
      } ?? "") + table.html + "</div>"
    let markdown =
      [heading.markdownEscaped] + (instructions.first.map { ["Instruction: *\($0.markdownEscaped)*"] } ?? [])
      + [table.markdown]
    return MIMEBundle(data: [
      "text/plain": plain.joined(separator: "\n\n"), "text/html": html,
      "text/markdown": markdown.joined(separator: "\n\n"),
    ])
  }

  private var heading: String {
    "Task \(name): \(examples.count) examples"
      + (queries.isEmpty ? "" : ", \(queries.count) queries of their own")
      + (hasWrittenAnswers ? ", answers to be written" : ", labels \(labels.joined(separator: ", "))")
  }

  /// The first two examples of each label, in the template's words.
  private var examplesTable: Table {
    if hasWrittenAnswers {
      return Table(
        ["answer", "as a demonstration"],
        examples.prefix(4).map { example in
          let answer = example.answer ?? ""
          return [answer, template.demonstration(example.fields, label: answer).trimmingNewlines]
        })
    }
    let rows = labels.indices.flatMap { label in
      examples.filter { $0.label == label }.prefix(2).map { example in
        [labels[label], template.demonstration(example.fields, label: labels[label]).trimmingNewlines]
      }
    }
    return Table(["label", "as a demonstration"], rows)
  }
}

extension String {
  fileprivate var trimmingNewlines: String {
    var text = self[...]
    while text.last?.isNewline == true { text.removeLast() }
    return String(text)
  }
}
