/// Answers of the queries with time windows (5, 7, 8, 12) and ranks (18, 19).
extension NexmarkAnswers {
    private struct Group: Hashable {
        var start: Int64
        var key: Int64
    }

    /// Query 5: every ten seconds that begin at an even second, the auctions that no other has more bids than.
    func hottest() -> [String] {
        var counts: [Group: Int64] = [:]
        for bid in bids {
            let newest = bid.dateTime - bid.dateTime % 2000
            for start in stride(from: newest, to: newest - 10_000, by: -2000) {
                counts[Group(start: start, key: bid.auction), default: 0] += 1
            }
        }
        let most = Dictionary(counts.map { ($0.key.start, $0.value) }, uniquingKeysWith: max)
        return counts.filter { $0.value == most[$0.key.start] }.map { row(("auction", $0.key.key), ("num", $0.value)) }
    }

    /// Query 7. A window's end belongs to the range of the next one's rows, too.
    func dearest() -> [String] {
        let highest = Dictionary(bids.map { ($0.dateTime / 10_000, $0.price) }, uniquingKeysWith: max)
        return bids.flatMap { bid in
            let window = bid.dateTime / 10_000
            let windows = bid.dateTime % 10_000 == 0 ? [window - 1, window] : [window]
            return windows.filter { highest[$0] == bid.price }.map { _ in
                row(
                    ("auction", bid.auction), ("bidder", bid.bidder), ("price", bid.price), time(bid),
                    ("extra", bid.extra))
            }
        }
    }

    /// Query 8.
    func newSellers() -> [String] {
        var sellers: Set<Group> = []
        for case .auction(let auction) in events {
            sellers.insert(Group(start: auction.dateTime / 10_000, key: auction.seller))
        }
        return events.compactMap { event in
            guard case .person(let person) = event,
                sellers.contains(Group(start: person.dateTime / 10_000, key: person.id))
            else { return nil }
            let start = NexmarkTime.text(person.dateTime - person.dateTime % 10_000)
            return row(("id", person.id), ("name", person.name), ("starttime", start))
        }
    }

    /// Query 12 in one window: when its windows begin depends on when it runs.
    func byBidder() -> [String] {
        Dictionary(grouping: bids, by: \.bidder).map { row(("bidder", $0), ("bid_count", Int64($1.count))) }
    }

    /// The rows of query 12 with the windows of a bidder added up; other queries' rows as they are.
    public static func comparable(_ query: Int, _ rows: [String]) -> [String] {
        guard query == 12 else { return rows }
        var counts: [Int64: Int64] = [:]
        for row in rows {
            let numbers = row.split { !$0.isNumber }.compactMap { Int64($0) }
            guard numbers.count > 2, row.contains("\"starttime\"") else { return rows }
            counts[numbers[0], default: 0] += numbers[1]
        }
        return counts.map { "{\"bidder\":\($0),\"bid_count\":\($1)}" }
    }

    /// Query 18; of bids at one time the one that came later.
    func lastBids() -> [String] {
        var last: [[Int64]: NexmarkEvent.Bid] = [:]
        for bid in bids {
            let key = [bid.bidder, bid.auction]
            if let known = last[key], known.dateTime > bid.dateTime { continue }
            last[key] = bid
        }
        return last.values.map { row(cells($0)) }
    }

    /// Query 19; of equal bids the one that came first is higher.
    func topBids() -> [String] {
        Dictionary(grouping: bids.enumerated(), by: \.element.auction).flatMap { _, bids in
            let sorted = bids.sorted { ($1.element.price, $0.offset) < ($0.element.price, $1.offset) }
            return sorted.prefix(10).enumerated().map { place, bid in
                row(cells(bid.element) + [("rank_number", Int64(place + 1))])
            }
        }
    }

    private func cells(_ bid: NexmarkEvent.Bid) -> [(String, any CustomStringConvertible)] {
        [
            ("auction", bid.auction), ("bidder", bid.bidder), ("price", bid.price), ("channel", bid.channel),
            ("url", bid.url), time(bid), ("extra", bid.extra),
        ]
    }
}
