/// Events of the distribution that Nexmark publishes: of fifty events one is a person, three are auctions and 46 are bids;
/// half of the bids go to one hot auction, three quarters come from one hot bidder, three quarters of the auctions from one
/// hot seller, and the hot ones move on with every hundredth auction or person. Prices are uniform in their logarithm.
///
/// Event `n` depends on `n` and the configuration alone, so that any part can be made again.
public struct NexmarkGenerator: Sendable {
    public struct Configuration: Sendable {
        public var events = 100_000
        /// Event time: how many events a second of it has.
        public var eventsPerSecond = 10_000
        /// Event time of the first event, milliseconds since 1970-01-01 UTC.
        public var firstTime: Int64 = 1_436_918_400_000
        /// Times are shuffled inside groups of so many events; 1 is in order.
        public var disorder = 1
        public var seed: UInt64 = 0

        public init() {}
    }

    public let configuration: Configuration
    public init(_ configuration: Configuration = Configuration()) { self.configuration = configuration }

    private static let persons: Int64 = 1
    private static let auctions: Int64 = 3
    private static let all: Int64 = 50
    private static let firstID: Int64 = 1000
    private static let firstCategory: Int64 = 10
    private static let categories: Int64 = 5
    private static let auctionsInFlight: Int64 = 100
    private static let activePeople: Int64 = 1000
    /// Ids that are not there yet are named now and then.
    private static let lead: Int64 = 10
    private static let hotStride: Int64 = 100
    private static let channels: Int64 = 10_000

    private static let states = ["AZ", "CA", "ID", "OR", "WA", "WY"]
    private static let cities = [
        "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent",
        "Cheyenne",
    ]
    private static let firstNames = [
        "Ada", "Ben", "Cleo", "Dora", "Emil", "Finn", "Greta", "Hugo", "Ida", "Jonas", "Karl",
    ]
    private static let lastNames = ["Abel", "Berg", "Curie", "Dahl", "Ebert", "Frost", "Gray", "Hale", "Iver"]
    private static let hotChannels = ["Google", "Facebook", "Baidu", "Apple"]

    public var events: some Sequence<NexmarkEvent> {
        (0..<Int64(configuration.events)).lazy.map { event($0) }
    }

    /// Events that are not in order take the number of another one of their group.
    private func adjusted(_ number: Int64) -> Int64 {
        let group = Int64(configuration.disorder)
        let first = number / group * group
        return first + (number - first) * 953 % group
    }

    /// Milliseconds since 1970-01-01 UTC of event `number`.
    public func time(_ number: Int64) -> Int64 {
        configuration.firstTime + adjusted(number) * 1000 / Int64(configuration.eventsPerSecond)
    }

    public func event(_ number: Int64) -> NexmarkEvent {
        var random = SplitMix(seed: configuration.seed, event: UInt64(number))
        let time = time(number)
        let rest = number % Self.all
        if rest < Self.persons { return .person(person(number, time, &random)) }
        if rest < Self.persons + Self.auctions { return .auction(auction(number, time, &random)) }
        return .bid(bid(number, time, &random))
    }

    // MARK: Ids

    private func lastPerson(_ number: Int64) -> Int64 {
        number / Self.all * Self.persons + min(number % Self.all, Self.persons - 1)
    }

    private func lastAuction(_ number: Int64) -> Int64 {
        let rest = number % Self.all
        if rest < Self.persons { return number / Self.all * Self.auctions - 1 }
        return number / Self.all * Self.auctions + min(rest - Self.persons, Self.auctions - 1)
    }

    private func anyPerson(_ number: Int64, _ random: inout SplitMix) -> Int64 {
        let count = lastPerson(number) + 1
        let active = min(count, Self.activePeople)
        return count - active + random.below(active + Self.lead)
    }

    private func anyAuction(_ number: Int64, _ random: inout SplitMix) -> Int64 {
        let last = max(lastAuction(number), 0)
        let first = max(last - Self.auctionsInFlight, 0)
        return first + random.below(last - first + 1 + Self.lead)
    }

    // MARK: Events

    private func person(_ number: Int64, _ time: Int64, _ random: inout SplitMix) -> NexmarkEvent.Person {
        let first = random.element(Self.firstNames)
        let last = random.element(Self.lastNames)
        let card = (0..<4).map { _ in String(10_000 + random.below(10_000)).dropFirst() }.joined(separator: " ")
        var person = NexmarkEvent.Person(
            id: Self.firstID + lastPerson(number), name: "\(first) \(last)",
            emailAddress: "\(random.letters(7))@\(random.letters(5)).com", creditCard: card,
            city: random.element(Self.cities), state: random.element(Self.states), dateTime: time, extra: "")
        person.extra = random.extra(
            8 + person.name.utf8.count + person.emailAddress.utf8.count + 19 + person.city.utf8.count + 2 + 8,
            average: 200)
        return person
    }

    private func auction(_ number: Int64, _ time: Int64, _ random: inout SplitMix) -> NexmarkEvent.Auction {
        let isHot = random.below(4) > 0
        let seller = isHot ? lastPerson(number) / Self.hotStride * Self.hotStride : anyPerson(number, &random)
        let initial = random.price()
        let name = random.letters(20)
        let description = random.letters(100)
        // As long as about a hundred auctions are in flight.
        let later = self.time(number + Self.auctionsInFlight * Self.all / Self.auctions)
        let length = 1 + random.below(max(1, (later - time) * 2))
        return NexmarkEvent.Auction(
            id: Self.firstID + lastAuction(number), itemName: name, description: description, initialBid: initial,
            reserve: initial + random.price(), dateTime: time, expires: time + length, seller: Self.firstID + seller,
            category: Self.firstCategory + random.below(Self.categories), extra: random.extra(8 * 7 + 120, average: 500)
        )
    }

    private func bid(_ number: Int64, _ time: Int64, _ random: inout SplitMix) -> NexmarkEvent.Bid {
        let isHotAuction = random.below(2) > 0
        let auction =
            isHotAuction ? max(lastAuction(number), 0) / Self.hotStride * Self.hotStride : anyAuction(number, &random)
        let isHotBidder = random.below(4) > 0
        let bidder =
            isHotBidder ? lastPerson(number) / Self.hotStride * Self.hotStride + 1 : anyPerson(number, &random)
        let price = random.price()
        let directories = "\(random.letters(3))/\(random.letters(3))/\(random.letters(3))"
        let base = "https://www.nexmark.com/\(directories)/item.htm?query=1"
        let channel: String
        let url: String
        if random.below(2) > 0 {
            channel = random.element(Self.hotChannels)
            url = base
        } else {
            let name = random.below(Self.channels)
            channel = "channel-\(name)"
            // Nine of ten say which.
            url = random.below(10) > 0 ? "\(base)&channel_id=\(name * 7919)" : base
        }
        return NexmarkEvent.Bid(
            auction: Self.firstID + auction, bidder: Self.firstID + bidder, price: price, channel: channel, url: url,
            dateTime: time, extra: random.extra(32, average: 100))
    }
}

/// SplitMix64: the whole state is one number, so that every event starts its own.
struct SplitMix {
    private var state: UInt64

    init(seed: UInt64, event: UInt64) {
        state = seed &+ event
        // A neighbour's state must not lie on the way of this one.
        state = next() ^ seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int64) -> Int64 { Int64(next() % UInt64(bound)) }
    mutating func element(_ list: [String]) -> String { list[Int(below(Int64(list.count)))] }

    mutating func letters(_ count: Int) -> String {
        String(decoding: (0..<count).map { _ in UInt8(97 + next() % 26) }, as: UTF8.self)
    }

    /// 1 to 100,000,000 cents, uniform in the logarithm.
    mutating func price() -> Int64 {
        let uniform = Double(next() >> 11) / Double(1 << 53)
        return Int64((Self.power(uniform * 6) * 100).rounded())
    }

    /// Fills an event up to `average` bytes, a fifth more or less.
    mutating func extra(_ size: Int, average: Int) -> String {
        let delta = Int64(average / 5)
        let wanted = average - Int(delta) + Int(below(2 * delta))
        return letters(max(0, wanted - size))
    }

    /// 10^x from whole powers and a series: the same bits on every platform, unlike the C library's `pow`.
    private static func power(_ x: Double) -> Double {
        let whole = x.rounded(.down)
        let y = (x - whole) * 2.302585092994046
        var term = 1.0
        var sum = 1.0
        for i in 1...30 {
            term *= y / Double(i)
            sum += term
        }
        for _ in 0..<Int(whole) { sum *= 10 }
        return sum
    }
}
