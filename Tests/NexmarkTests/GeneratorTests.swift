import Nexmark
import Testing

/// The published proportions.
@Suite struct GeneratorTests {
    private static let events: [NexmarkEvent] = {
        var configuration = NexmarkGenerator.Configuration()
        configuration.events = 100_000
        return Array(NexmarkGenerator(configuration).events)
    }()

    private static var bids: [NexmarkEvent.Bid] {
        events.compactMap { if case .bid(let bid) = $0 { bid } else { nil } }
    }
    private static var auctions: [NexmarkEvent.Auction] {
        events.compactMap { if case .auction(let auction) = $0 { auction } else { nil } }
    }

    @Test func kindsAreOneToThreeToFortySix() {
        let persons = Self.events.count { if case .person = $0 { true } else { false } }
        #expect(persons == 2000)
        #expect(Self.auctions.count == 6000)
        #expect(Self.bids.count == 92_000)
    }

    @Test func idsAreDenseAndNewOnesAreNamedSoon() {
        #expect(Self.auctions.map(\.id) == Array(1000..<7000))
        // A bid names one of the last hundred auctions, the hot one, or one of the next ten.
        var last: Int64 = 1000
        for event in Self.events {
            switch event {
            case .auction(let auction): last = auction.id
            case .bid(let bid): #expect(bid.auction >= max(1000, last - 200) && bid.auction <= last + 11)
            case .person: break
            }
        }
    }

    /// Half of the bids are on a hot auction, three quarters by a hot bidder, three quarters of the auctions by a hot seller.
    @Test func hotOnesAreHot() {
        let bids = Self.bids
        let hotAuctions = Double(bids.count { ($0.auction - 1000) % 100 == 0 }) / Double(bids.count)
        #expect(hotAuctions > 0.49 && hotAuctions < 0.53)
        let hotBidders = Double(bids.count { ($0.bidder - 1000) % 100 == 1 }) / Double(bids.count)
        #expect(hotBidders > 0.74 && hotBidders < 0.78)
        let hotSellers = Double(Self.auctions.count { ($0.seller - 1000) % 100 == 0 }) / Double(Self.auctions.count)
        #expect(hotSellers > 0.73 && hotSellers < 0.79)
        let named =
            Double(bids.count { ["Google", "Facebook", "Baidu", "Apple"].contains($0.channel) }) / Double(bids.count)
        #expect(named > 0.49 && named < 0.51)
    }

    /// Uniform in the logarithm: a sixth of the prices in each power of ten.
    @Test func pricesSpanSixPowersOfTen() {
        let prices = Self.bids.map(\.price)
        var bound: Int64 = 100
        for _ in 0..<6 {
            let share = Double(prices.count { $0 >= bound && $0 < bound * 10 }) / Double(prices.count)
            #expect(share > 0.15 && share < 0.18)
            bound *= 10
        }
    }

    @Test func sizesAreThePublishedOnes() {
        func average(_ sizes: [Int]) -> Int { sizes.reduce(0, +) / sizes.count }
        let bids = average(Self.bids.map { 32 + $0.extra.utf8.count })
        #expect((90...110).contains(bids))
        let auctions = average(Self.auctions.map { 56 + 120 + $0.extra.utf8.count })
        #expect((480...520).contains(auctions))
    }

    /// An event depends on its number and the seed alone.
    @Test func eventsRepeat() {
        var configuration = NexmarkGenerator.Configuration()
        configuration.events = 100
        let whole = NexmarkGenerator(configuration).events.map(\.json)
        #expect(NexmarkGenerator(configuration).event(77).json == whole[77])
        #expect(Set(whole).count == 100)
        configuration.seed = 1
        #expect(NexmarkGenerator(configuration).event(77).json != whole[77])
    }

    @Test func disorderShufflesTimesInsideAGroup() {
        var configuration = NexmarkGenerator.Configuration()
        configuration.eventsPerSecond = 1000
        configuration.disorder = 10
        let generator = NexmarkGenerator(configuration)
        let times = (0..<20).map { generator.time($0) - configuration.firstTime }
        #expect(times != times.sorted())
        #expect(times[..<10].sorted() == Array(0..<10))
        #expect(times[10...].sorted() == Array(10..<20))
    }

    @Test(arguments: [
        (0 as Int64, "1970-01-01 00:00:00"), (1_436_918_400_123, "2015-07-15 00:00:00.123"),
        (951_782_400_500, "2000-02-29 00:00:00.5"),
    ])
    func times(_ milliseconds: Int64, _ text: String) { #expect(NexmarkTime.text(milliseconds) == text) }
}
