/// Things to do at virtual times: a binary heap ordered by time, then by the order of asking.
struct Schedule<Item> {
    private var heap: [(time: Int64, number: UInt64, item: Item)] = []
    private var number: UInt64 = 0

    var nextTime: Int64? { heap.first?.time }
    var count: Int { heap.count }

    mutating func add(_ item: Item, at time: Int64) {
        number += 1
        heap.append((time, number, item))
        var child = heap.count - 1
        while child > 0, precedes(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func popFirst(until time: Int64) -> (time: Int64, item: Item)? {
        guard let first = heap.first, first.time <= time else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(child, least) {
                least = child
            }
            if least == parent { return (first.time, first.item) }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        (heap[left].time, heap[left].number) < (heap[right].time, heap[right].number)
    }
}
