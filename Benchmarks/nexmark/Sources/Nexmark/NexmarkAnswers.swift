/// What each query must answer, computed from the events in memory by loops and dictionaries: slow and obvious.
///
/// Rows are JSON lines as the engine writes them, in any order.
///
/// Windows are computed without lateness: the events must be in order up to the watermark's delay.
public struct NexmarkAnswers: Sendable {
    let events: [NexmarkEvent]
    let bids: [NexmarkEvent.Bid]

    public init(_ events: [NexmarkEvent]) {
        self.events = events
        bids = events.compactMap { if case .bid(let bid) = $0 { bid } else { nil } }
    }

    /// Queries that have an answer here, by number.
    public static let queries = [0, 1, 2, 5, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22]

    /// Rows of the side table of query 13: key and value.
    public static let sideInput = (0..<10_000).map { "\($0),value of \($0)\n" }.joined()

    /// nil for a query that is not in `queries`.
    public func rows(_ query: Int) -> [String]? {
        switch query {
        case 0:
            bids.map {
                row(("auction", $0.auction), ("bidder", $0.bidder), ("price", $0.price), time($0), ("extra", $0.extra))
            }
        case 1:
            bids.map {
                row(("auction", $0.auction), ("bidder", $0.bidder), ("price", euros($0)), time($0), ("extra", $0.extra))
            }
        case 2: bids.filter { $0.auction % 123 == 0 }.map { row(("auction", $0.auction), ("price", $0.price)) }
        case 5: hottest()
        case 7: dearest()
        case 8: newSellers()
        case 10:
            bids.map {
                row(
                    ("auction", $0.auction), ("bidder", $0.bidder), ("price", $0.price), time($0), ("extra", $0.extra),
                    ("dt", NexmarkTime.date($0.dateTime)), ("hm", NexmarkTime.minute($0.dateTime)))
            }
        case 11: sessions()
        case 12: byBidder()
        case 13:
            bids.map {
                row(
                    ("auction", $0.auction), ("bidder", $0.bidder), ("price", $0.price), time($0),
                    ("value", "value of \($0.auction % 10_000)"))
            }
        case 14: middle()
        case 15:
            Dictionary(grouping: bids) { NexmarkTime.date($0.dateTime) }.map { day, bids in
                row([("day", day)] + ranks(bids))
            }
        case 16: byChannel()
        case 17: byAuction()
        case 18: lastBids()
        case 19: topBids()
        case 21: channels()
        case 22:
            bids.map {
                let parts = $0.url.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
                return row(
                    ("auction", $0.auction), ("bidder", $0.bidder), ("price", $0.price), ("channel", $0.channel),
                    ("dir1", parts[3]), ("dir2", parts[4]), ("dir3", parts[5]))
            }
        default: nil
        }
    }

    // MARK: Queries

    private func sessions() -> [String] {
        var rows: [String] = []
        for (bidder, bids) in Dictionary(grouping: bids, by: \.bidder) {
            var open: (count: Int64, start: Int64, end: Int64)?
            func close() {
                guard let open else { return }
                rows.append(
                    row(
                        ("bidder", bidder), ("bid_count", open.count), ("starttime", NexmarkTime.text(open.start)),
                        ("endtime", NexmarkTime.text(open.end))))
            }
            for time in bids.map(\.dateTime).sorted() {
                if let known = open, time <= known.end {
                    open = (known.count + 1, known.start, time + 10_000)
                } else {
                    close()
                    open = (1, time, time + 10_000)
                }
            }
            close()
        }
        return rows
    }

    private func middle() -> [String] {
        bids.filter { $0.price * 908 > 1_000_000_000 && $0.price * 908 < 50_000_000_000 }.map { bid in
            let hour = NexmarkTime.hour(bid.dateTime)
            let kind =
                hour >= 8 && hour <= 18 ? "dayTime" : hour <= 6 || hour >= 20 ? "nightTime" : "otherTime"
            return row(
                ("auction", bid.auction), ("bidder", bid.bidder), ("price", euros(bid)), ("bidTimeType", kind),
                time(bid),
                ("extra", bid.extra), ("c_counts", Int64(bid.extra.count { $0 == "c" })))
        }
    }

    private func byChannel() -> [String] {
        Dictionary(grouping: bids) { [$0.channel, NexmarkTime.date($0.dateTime)] }.map { key, bids in
            let minute = bids.map { NexmarkTime.minute($0.dateTime) }.max() ?? ""
            return row([("channel", key[0]), ("day", key[1]), ("minute", minute)] + ranks(bids))
        }
    }

    private func byAuction() -> [String] {
        struct Key: Hashable {
            var auction: Int64
            var day: String
        }
        return Dictionary(grouping: bids) { Key(auction: $0.auction, day: NexmarkTime.date($0.dateTime)) }.map {
            key, bids in
            let prices = bids.map(\.price)
            let sum = prices.reduce(0, +)
            return row(
                [("auction", key.auction), ("day", key.day)] + Array(ranks(bids)[..<4]) + [
                    ("min_price", prices.min() ?? 0), ("max_price", prices.max() ?? 0),
                    ("avg_price", sum / Int64(prices.count)), ("sum_price", sum),
                ])
        }
    }

    private func channels() -> [String] {
        let known = ["apple": "0", "google": "1", "facebook": "2", "baidu": "3"]
        return bids.compactMap { bid in
            let written = bid.url.split(separator: "&").dropFirst().compactMap { part -> String? in
                part.hasPrefix("channel_id=") ? String(part.dropFirst(11)) : nil
            }.first
            guard let number = known[bid.channel.lowercased()] ?? written else { return nil }
            return row(
                ("auction", bid.auction), ("bidder", bid.bidder), ("price", bid.price), ("channel", bid.channel),
                ("channel_id", number))
        }
    }

    /// Bids, bidders and auctions: all, then below 10,000, below 1,000,000, and from there on.
    private func ranks(_ bids: [NexmarkEvent.Bid]) -> [(String, any CustomStringConvertible)] {
        let cheap = bids.filter { $0.price < 10_000 }
        let middle = bids.filter { $0.price >= 10_000 && $0.price < 1_000_000 }
        let dear = bids.filter { $0.price >= 1_000_000 }
        var cells: [(String, any CustomStringConvertible)] = []
        let groups = [("total", bids), ("rank1", cheap), ("rank2", middle), ("rank3", dear)]
        for (name, bids) in groups { cells.append(("\(name)_bids", Int64(bids.count))) }
        for (name, bids) in groups { cells.append(("\(name)_bidders", Int64(Set(bids.map(\.bidder)).count))) }
        for (name, bids) in groups { cells.append(("\(name)_auctions", Int64(Set(bids.map(\.auction)).count))) }
        return cells
    }

    // MARK: JSON

    /// A positive number of thousandths as Java's BigDecimal writes it without zeros at its end, which is how Flink's JSON
    /// holds decimals: 0.5, 12, but 1.2E+3.
    private struct Thousandths: CustomStringConvertible {
        var value: Int64
        var description: String {
            var unscaled = value
            var scale = 3
            while unscaled % 10 == 0 {
                unscaled /= 10
                scale -= 1
            }
            let digits = String(unscaled)
            if scale < 0 {
                let fraction = digits.dropFirst()
                return "\(digits.prefix(1))\(fraction.isEmpty ? "" : ".")\(fraction)E+\(digits.count - 1 - scale)"
            }
            let padded = String(repeating: "0", count: max(0, scale + 1 - digits.count)) + digits
            return scale == 0 ? padded : "\(padded.dropLast(scale)).\(padded.suffix(scale))"
        }
    }

    private func euros(_ bid: NexmarkEvent.Bid) -> Thousandths { Thousandths(value: bid.price * 908) }

    func time(_ bid: NexmarkEvent.Bid) -> (String, any CustomStringConvertible) {
        ("dateTime", NexmarkTime.text(bid.dateTime))
    }

    func row(_ cells: (String, any CustomStringConvertible)...) -> String { row(cells) }

    func row(_ cells: [(String, any CustomStringConvertible)]) -> String {
        let parts = cells.map { name, value in
            "\"\(name)\":" + ((value as? String).map { "\"\($0)\"" } ?? "\(value)")
        }
        return "{" + parts.joined(separator: ",") + "}"
    }
}
