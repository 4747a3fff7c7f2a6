internal import MillraceCore

/// Card transactions of many accounts: a home country, a usual amount, now and then a trip, and a few compromised cards, which
/// buy often, abroad, and what resells easily. The cards that will be compromised have a week behind them.
struct TransactionGenerator: EventGenerator {
    let topic = "transactions"
    let resultTopics = ["fraud_alerts"]
    private var random = RandomStream(seed: 2025)
    /// So many that most of them buy seldom, as people do.
    private static let accounts = 200_000
    private static let categories = [
        "grocery", "grocery", "grocery", "restaurant", "restaurant", "fuel", "online_retail", "online_retail",
        "electronics",
        "travel",
    ]
    private static let resold = ["online_retail", "electronics", "gift_card", "cash_advance"]
    private static let countries = ["KR", "KR", "KR", "US", "US", "JP", "DE", "VN", "BR", "GB"]
    /// The accounts that may be compromised.
    private let victims: [Int]
    /// Compromised accounts: purchases that are still to come, where, and when the next one is due.
    private var episodes: [(account: Int, left: Int, country: String, due: Int64)] = []
    private var lastEpisode: Int64 = 0

    init() {
        var random = RandomStream(seed: 7)
        victims = (0..<200).map { _ in random.below(TransactionGenerator.accounts) }
    }

    mutating func history(nowMilliseconds now: Int64) -> [Event] {
        let week: Int64 = 7 * 86_400_000
        // Nothing in the last hour: the first purchases of a thief stand out.
        var purchases: [(time: Int64, account: Int)] = []
        for account in victims {
            for _ in 0..<(6 + random.below(8)) {
                purchases.append((now - 3_600_000 - Int64(random.unit() * Double(week - 7_200_000)), account))
            }
        }
        purchases.sort { $0.time < $1.time }
        return purchases.map { purchase(of: $0.account, at: $0.time, sent: now) }
    }

    mutating func next(nowMilliseconds now: Int64) -> Event? {
        if random.chance(0.0002) {
            return Event(key: nil, value: Array("{\"account\":".utf8), timestampMilliseconds: now)
        }
        if now - lastEpisode > 3_000 {
            lastEpisode = now
            episodes.append(
                (
                    random.element(victims), 3 + random.below(10), random.element(TransactionGenerator.countries), now
                ))
        }
        if let index = episodes.firstIndex(where: { $0.due <= now }) {
            let account = episodes[index].account
            let country = episodes[index].country
            episodes[index].left -= 1
            episodes[index].due = now + 500 + Int64(random.below(6_000))
            if episodes[index].left == 0 { episodes.remove(at: index) }
            let amount = max(1, random.normal(mean: 220, deviation: 90))
            return event(
                account, now, amount, random.element(TransactionGenerator.resold), country,
                present: random.chance(0.15), sent: now)
        }
        // One in a thousand was held up on its way: it is scored, too, and too late for its window.
        let time = random.chance(0.001) ? now - Int64(random.below(15_000)) : now
        return purchase(of: random.below(TransactionGenerator.accounts), at: time, sent: now)
    }

    /// What the owner of a card buys.
    private mutating func purchase(of account: Int, at time: Int64, sent: Int64) -> Event {
        var home = RandomStream(seed: UInt64(account))
        let usual = max(5, home.normal(mean: 24, deviation: 8))
        var country = home.element(TransactionGenerator.countries)
        if random.chance(0.002) { country = random.element(TransactionGenerator.countries) }
        let category = random.element(TransactionGenerator.categories)
        let amount = max(0.5, usual * random.normal(mean: 1, deviation: 0.4))
        return event(
            account, time, amount, category, country, present: category != "online_retail" && random.chance(0.93),
            sent: sent)
    }

    /// - Parameters:
    ///   - time: event time.
    ///   - sent: the record's timestamp, from which latencies count; both milliseconds.
    private func event(
        _ account: Int, _ time: Int64, _ amount: Double, _ category: String, _ country: String, present: Bool,
        sent: Int64
    ) -> Event {
        let cents = Int(amount * 100)
        let name = "acct-\(account)"
        let text = """
            {"account":"\(name)","event_ms":\(time),"amount":\(cents / 100).\(cents % 100 < 10 ? "0" : "")\(cents % 100),\
            "merchant_category":"\(category)","country":"\(country)","card_present":\(present ? 1 : 0)}
            """
        return Event(key: Array(name.utf8), value: Array(text.utf8), timestampMilliseconds: sent)
    }
}
