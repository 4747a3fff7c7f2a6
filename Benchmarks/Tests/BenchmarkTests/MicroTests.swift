import Foundation
import Testing
import Workloads

/// `micro` with few rounds: answers and allocations.
struct MicroTests {
    @Test func answersAreRightAndNothingAllocatesMoreThanItDid() throws {
        let (status, text) = try Program.run("micro", ["--quick"])
        #expect(status == 0, "\(text)")
        #expect(text.contains("JSON, 2 kB, 8 of 60 fields, batch 1024"))
        #expect(text.contains("PostgreSQL rows, 5 columns, batch 64"))
    }

    /// The gate closes: against a baseline that promises less, and for a case that has none.
    @Test func moreThanTheBaselineFails() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("micro-\(UUID().uuidString).jsonl")
        defer { try? FileManager.default.removeItem(at: file) }
        var record = FlatRecord()
        record.set("case", "JSON, 200 B, 5 fields, batch 1")
        record.set("allocations", -1)
        try (record.line + "\n").write(to: file, atomically: true, encoding: .utf8)
        let (status, text) = try Program.run("micro", ["--quick", "--filter", "JSON, 200 B", "--baseline", file.path])
        #expect(status == 1)
        #expect(text.contains("JSON, 200 B, 5 fields, batch 1: "))
        #expect(text.contains("allocations a row, the baseline has -1.000"))
        #expect(text.contains("JSON, 200 B, 5 fields, batch 8: not in the baseline"))
    }
}
