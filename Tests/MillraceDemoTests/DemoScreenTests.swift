import Testing

@testable import MillraceDemo

@Suite struct DemoScreenTests {
    @Test(arguments: [
        (100, [8, 5, 7]),  // room for all
        (29, [8, 5, 7]),
        (28, [7, 5, 7]),  // the largest gives
        (18, [3, 3, 3]),
        (17, [6, 5, 0]),  // then the last goes
        (12, [3, 3, 0]),
        (11, [8, 0, 0]),
        (6, [3, 0, 0]),
        (5, [0, 0, 0]),
    ]) func tablesFit(_ available: Int, _ expected: [Int]) {
        #expect(DemoScreen.heights([8, 5, 7], available: available) == expected)
    }

    @Test func tableHasTheHeightItWasGiven() {
        let panel = DemoScenario.fraud.panels[2]
        let row = ["12:00:00", "KR", "5", "100.00", "1", "0.5000"]
        for (rows, height) in [(0, 4), (2, 4), (9, 4)] {
            let lines = DemoScreen.table(panel, Array(repeating: row, count: rows), height: height)
            #expect(lines.count == height + 1)
            #expect(lines.dropFirst().count { $0.contains("KR") } == min(rows, height))
        }
    }

    /// A screen of 80 columns cuts nothing, and 24 lines have room for at least one table.
    @Test(arguments: DemoScenario.allCases) func fitsAnOrdinaryTerminal(_ scenario: DemoScenario) {
        for line in scenario.introduction { #expect(line.count <= 84, "\(line)") }
        #expect(scenario.introduction.joined().contains(scenario.file))
        #expect(!scenario.panels.isEmpty)
        #expect(DemoScreen.heights(scenario.panels.map(\.rows), available: 23 - 9 - 3)[0] > 0)
    }
}
