/// A binary heap that gives its greatest element first.
struct PriorityQueue<Element: Comparable> {
  private var heap: [Element] = []

  mutating func insert(_ element: Element) {
    heap.append(element)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[parent] < heap[child] else { return }
      heap.swapAt(parent, child)
      child = parent
    }
  }

  mutating func popGreatest() -> Element? {
    guard let greatest = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return greatest }
    heap[0] = last
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < heap.count else { return greatest }
      if child + 1 < heap.count, heap[child] < heap[child + 1] { child += 1 }
      guard heap[parent] < heap[child] else { return greatest }
      heap.swapAt(parent, child)
      parent = child
    }
  }
}
