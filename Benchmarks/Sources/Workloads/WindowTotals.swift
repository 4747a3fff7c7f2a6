/// What job B must give: sum and count by window and region, from the events themselves.
public struct WindowTotals: Sendable {
    public struct Group: Sendable {
        public var count = 0
        public var cents = 0
        public var total: Double { Double(cents) / 100 }
    }

    /// Microseconds.
    public let size: Int64
    /// Start of the first window, microseconds since 1970.
    public let firstStart: Int64
    /// By window, then region.
    public private(set) var groups: [Group] = []
    public let regionCount = Sales.regions.count

    public init(_ schedule: EventSchedule, sales: Sales, windowMicroseconds size: Int64) {
        self.size = size
        firstStart = schedule.start / size * size
        for i in 0..<schedule.count {
            let variant = sales.variants[i % Sales.variantCount]
            let window = Int((schedule.due(i) - firstStart) / size)
            let index = window * regionCount + variant.region
            if index >= groups.count {
                groups += [Group](repeating: Group(), count: (window + 1) * regionCount - groups.count)
            }
            groups[index].count += 1
            groups[index].cents += variant.cents
        }
    }

    /// Groups that have events, so must be in the table.
    public var expectedRows: Int { groups.count { $0.count > 0 } }

    /// Nil when there is no such window or region.
    public func group(start: Int64, region: String) -> Group? {
        guard let index = Sales.regions.firstIndex(of: region), start >= firstStart,
            (start - firstStart) % size == 0
        else { return nil }
        let place = Int((start - firstStart) / size) * regionCount + index
        return place < groups.count ? groups[place] : nil
    }
}
