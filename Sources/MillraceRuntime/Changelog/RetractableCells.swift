import MillraceCore

/// The values of one aggregate that lists them, in order of arrival, as encoded cells. A value that is taken back is the first
/// of its kind, as in Flink. A row costs O(1).
final class RetractableCells: HeldObject {
    private var cells: [OwnedBytes?] = []
    /// The places of each value, the first ones first.
    private var places: [OwnedBytes: [Int]] = [:]
    private var head = 0
    private var gone = 0

    /// Values that are there.
    var count: Int { cells.count - gone }
    /// Of cells and their places, without what allocation adds.
    private(set) var bytes = 0
    private static let overhead = 56

    func add(_ cell: OwnedBytes) {
        bytes += cell.bytes.count + RetractableCells.overhead
        places[cell, default: []].append(cells.count)
        cells.append(cell)
    }

    /// False when the value is not there.
    func remove(_ cell: OwnedBytes) -> Bool {
        guard var known = places[cell], let place = known.first else { return false }
        bytes -= cell.bytes.count + RetractableCells.overhead
        known.removeFirst()
        places[cell] = known.isEmpty ? nil : known
        cells[place] = nil
        gone += 1
        while let last = cells.last, last == nil {
            cells.removeLast()
            gone -= 1
        }
        head = min(head, cells.count)
        if gone > 32, gone * 2 > cells.count { compact() }
        return true
    }

    private func compact() {
        cells = cells.filter { $0 != nil }
        places.removeAll(keepingCapacity: true)
        for (place, cell) in cells.enumerated() { if let cell { places[cell, default: []].append(place) } }
        gone = 0
        head = 0
    }

    var first: OwnedBytes? {
        while head < cells.count, cells[head] == nil { head += 1 }
        return head < cells.count ? cells[head] : nil
    }

    var last: OwnedBytes? { cells.last ?? nil }

    func forEach(_ body: (OwnedBytes) -> Void) { for case .some(let cell) in cells { body(cell) } }

    /// Each value once, with its number, in the order of their first places.
    func counted() -> [(cell: OwnedBytes, count: Int)] {
        var result: [(cell: OwnedBytes, count: Int)] = []
        for (place, cell) in cells.enumerated() {
            guard let cell, let known = places[cell], known[0] == place else { continue }
            result.append((cell, known.count))
        }
        return result
    }
}
