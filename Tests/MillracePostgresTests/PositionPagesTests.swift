import MillraceCore
import MillraceRuntime
import Testing

@testable import MillracePostgres

/// Positions live in arrays, 32 partitions a row, and the shards of the next run may divide them otherwise.
@Suite(.enabled(if: !TestServer.isMissing)) struct PositionPagesTests {
    private func position(_ partition: Int, _ offset: Int64, topic: String = "t") -> SourcePosition {
        SourcePosition(
            partition: SourcePartition(topic: topic, partition: Int32(partition)), nextOffset: offset,
            replayOffset: offset - 1, watermark: partition % 2 == 0 ? EventTime.none : offset, emittedWatermark: 7)
    }

    private func submit(_ session: PostgresSession, _ ticket: Int64, _ positions: SourceProgress) throws {
        try session.submit(ticket: ticket, positions: positions, deadLetters: [])
        try session.wait(for: ticket)
    }

    private func byPartition(_ positions: [SourcePosition]?) -> [SourcePosition] {
        (positions ?? []).sorted {
            ($0.partition.topic, $0.partition.partition) < ($1.partition.topic, $1.partition.partition)
        }
    }

    @Test func survivesANewDivision() throws {
        let database = try TestDatabase()
        // Two shards, 40 partitions each: two pages each.
        let first = try database.session()
        try first.open()
        let second = try database.session(shard: 1)
        try second.join(pipeline: "p", epoch: first.epoch)
        let even = (0..<40).map { position($0 * 2, 100) }
        let odd = (0..<40).map { position($0 * 2 + 1, 200) }
        try submit(first, 0, [("s", even), ("other", [position(0, 5, topic: "u")])])
        try submit(second, 0, [("s", odd)])
        // One shard has everything, and commits only some of it.
        let third = try database.session()
        let stored = try third.open()
        #expect(byPartition(stored["s"]) == byPartition(even + odd))
        #expect(stored["other"] == [position(0, 5, topic: "u")])
        try submit(third, 0, [("s", [position(7, 300), position(79, 301)])])
        // What it has not touched is still there.
        var expected = byPartition(even + odd)
        expected[7] = position(7, 300)
        expected[79] = position(79, 301)
        let fourth = try database.session()
        let again = try fourth.open()
        #expect(byPartition(again["s"]) == expected)
        #expect(again["other"]?.count == 1)
        #expect(try fourth.open(reset: true).isEmpty)
        #expect(try database.sql("SELECT count(*) FROM millrace.offsets") == [["0"]])
    }

    @Test func writesOnlyPagesThatMoved() throws {
        let database = try TestDatabase()
        let session = try database.session()
        try session.open()
        var positions = (0..<70).map { position($0, 10) }
        try submit(session, 0, [("s", positions)])
        positions[66].nextOffset = 11
        try submit(session, 1, [("s", positions)])
        // The first page is the fence: it goes with every ticket.
        let tickets = try database.sql("SELECT commit_ticket FROM millrace.checkpoints ORDER BY page")
        #expect(tickets == [["1"], ["0"], ["1"]])
        // A partition found later takes the next slot, and order does not matter.
        positions.insert(position(70, 1), at: 3)
        positions.swapAt(0, 69)
        try submit(session, 2, [("s", positions)])
        #expect(byPartition(try database.session().open()["s"]) == byPartition(positions))
    }

    @Test func statementsAreReadyBeforeTheFirstRow() throws {
        let database = try TestDatabase()
        try database.sql("CREATE TABLE t (id int8)")
        let session = try database.session()
        let sink = try session.makeSink(database.sinkPlan("t", [Field("id", .bigInt)]))
        try session.open()
        try sink.write([[.integer(1)]])
        try session.submit(0)
        #expect(session.units.count == 1, "a statement was prepared behind the first row")
        try session.wait(for: 0)
        #expect(try database.sql("SELECT id FROM t") == [["1"]])
    }

    @Test func namesASchemaThatIsNotOurs() throws {
        let database = try TestDatabase()
        try database.sql("CREATE SCHEMA millrace; CREATE TABLE millrace.offsets (a int)")
        #expect {
            try database.session()
        } throws: {
            ($0 as? Diagnostic)?.hint?.contains("DROP SCHEMA millrace CASCADE") == true
        }
    }
}
