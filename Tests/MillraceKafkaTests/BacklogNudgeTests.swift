import Testing

@testable import MillraceKafka

/// When a reader of an old librdkafka asks for more.
struct BacklogNudgeTests {
    /// Nil with a librdkafka that needs no nudge.
    private func nudge(messages: Int, kilobytes: Int) -> BacklogNudge? {
        BacklogNudge(messages: messages, kilobytes: kilobytes)
    }

    @Test func onceHalfwayThroughAFullQueue() throws {
        guard var nudge = nudge(messages: 1000, kilobytes: 1 << 20) else { return }
        let waiting = [0, 400, 890, 300, 0, 950, 700, 500, 499, 300, 0, 900, 499]
        let due = waiting.indices.filter { nudge.isDue(waiting: waiting[$0], records: 100, recordBytes: 10_000) }
        #expect(due == [8, 12], "the first 890 were not full")
    }

    @Test func aQueueIsAlsoFullByItsBytes() throws {
        // 1024 KiB of records of 4 KiB are 256 records.
        guard var nudge = nudge(messages: 100_000, kilobytes: 1024) else { return }
        // The last two polls bring no records, which does not make it forget how large they are.
        let waiting = [200, 100, 240, 127, 250, 100]
        let due = waiting.indices.filter { poll in
            let records = poll < 4 ? 10 : 0
            return nudge.isDue(waiting: waiting[poll], records: records, recordBytes: records * 4096)
        }
        #expect(due == [3, 5])
    }
}
