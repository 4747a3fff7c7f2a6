import MillraceCore
import Testing

struct ZoneRulesTests {
    private func seconds(_ year: Int64, _ month: Int64, _ day: Int64, _ hour: Int64, _ minute: Int64 = 0) -> Int64 {
        CivilTime.days(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60
    }

    @Test(arguments: [
        ("UTC", 0), ("Z", 0), ("+09:00", 32_400), ("-05:30", -19_800), ("GMT+8", 28_800), ("UTC+05:30", 19_800),
        ("GMT-3", -10_800),
    ])
    func fixedOffsets(_ name: String, _ offset: Int64) throws {
        let rules = try #require(ZoneRules.named(name))
        #expect(rules.offset(atSecond: 0) == offset)
        #expect(rules.isUTC == (offset == 0))
    }

    @Test(arguments: ["", "Nowhere/Land", "../../etc/passwd", "/etc/passwd", "+25:00", "GMT+", "Europe", "a b"])
    func unknownZones(_ name: String) { #expect(ZoneRules.named(name) == nil) }

    @Test func regionFollowsItsTransitions() throws {
        let rules = try #require(ZoneRules.named("America/New_York"))
        #expect(rules.offset(atSecond: seconds(2024, 3, 10, 6, 59)) == -18_000)
        #expect(rules.offset(atSecond: seconds(2024, 3, 10, 7)) == -14_400)
        #expect(rules.offset(atSecond: seconds(2024, 11, 3, 6)) == -18_000)
        // Local mean time, and the rule behind the last entry of the file.
        #expect(rules.offset(atSecond: seconds(1850, 1, 1, 0)) == -17_762)
        #expect(rules.offset(atSecond: seconds(2100, 7, 1, 0)) == -14_400)
        #expect(rules.offset(atSecond: seconds(2100, 1, 1, 0)) == -18_000)
    }

    @Test func southernSummerEndsInTheNewYear() throws {
        let rules = try #require(ZoneRules.named("Australia/Sydney"))
        #expect(rules.offset(atSecond: seconds(2200, 1, 1, 0)) == 39_600)
        #expect(rules.offset(atSecond: seconds(2200, 7, 1, 0)) == 36_000)
    }

    /// As `java.time.LocalDateTime.atZone`.
    @Test func gapsAndOverlaps() throws {
        let rules = try #require(ZoneRules.named("Europe/Berlin"))
        let gap = seconds(2024, 3, 31, 2, 30)
        #expect(rules.utc(fromLocal: gap * 1_000_000) == seconds(2024, 3, 31, 1, 30) * 1_000_000)
        let overlap = seconds(2024, 10, 27, 2, 30)
        #expect(rules.utc(fromLocal: overlap * 1_000_000) == seconds(2024, 10, 27, 0, 30) * 1_000_000)
        #expect(
            rules.utc(fromLocal: overlap * 1_000_000, prefersLater: true) == seconds(2024, 10, 27, 1, 30) * 1_000_000)
    }

    @Test(arguments: ["America/New_York", "Europe/Berlin", "Asia/Seoul", "Australia/Lord_Howe"])
    func localAndBack(_ name: String) throws {
        let rules = try #require(ZoneRules.named(name))
        for hour in stride(from: seconds(1960, 1, 1, 0), to: seconds(2040, 1, 1, 0), by: 13 * 3600) {
            let time = hour * 1_000_000
            let back = rules.utc(fromLocal: rules.local(fromUTC: time))
            // Only in the hour that comes twice another moment has the same wall clock.
            #expect(back == time || rules.local(fromUTC: back) == rules.local(fromUTC: time))
        }
    }
}
