import MillraceCore
import MillraceRuntime
import Testing

private let columns: [(String, DataType)] = [("a", .integer), ("b", .string)]

@Suite struct FileSourceTests {
    @Test(arguments: [
        ("", 0), ("{\"a\":1}", 1), ("{\"a\":1}\n", 1), ("{\"a\":1}\r\n{\"a\":2}\r\n", 2), ("\n\n{\"a\":1}\n\n", 1),
        ("{\"a\":1}\n{\"a\":2}", 2),
    ])
    func linesOfAFile(_ text: String, _ count: Int) throws {
        let scratch = try Scratch()
        try scratch.write("x.json", text)
        let result = try read(sourcePlan("filesystem", columns, ["path": "\(scratch.path)/x.json", "format": "json"]))
        #expect(result.rows.map { $0[0] } == (0..<count).map { .integer(Int64($0 + 1)) })
        #expect(result.rejected.isEmpty)
    }

    @Test func directoryInNameOrderWithoutHiddenFiles() throws {
        let scratch = try Scratch()
        for (name, value) in [("b.json", 3), ("a.json", 1), ("_c.json", 9), (".d.json", 9), ("e.json", 4)] {
            try scratch.write(name, "{\"a\":\(value)}\n")
        }
        try scratch.write("a.json", "{\"a\":1}\n{\"a\":2}\n")
        let result = try read(sourcePlan("filesystem", columns, ["path": scratch.path, "format": "json"]))
        #expect(result.rows.map { $0[0] } == [.integer(1), .integer(2), .integer(3), .integer(4)])
        #expect(result.places == ["a.json:0", "a.json:1", "b.json:0", "e.json:0"])
        #expect(result.next == [2, 1, 1])
    }

    @Test func batchesAreBoundedAndBadLinesRejected() throws {
        let scratch = try Scratch()
        try scratch.write("x.json", (0..<10).map { $0 == 4 ? "oops\n" : "{\"a\":\($0)}\n" }.joined())
        var limits = Limits()
        limits.batchRows = 3
        let result = try read(
            sourcePlan("filesystem", columns, ["path": "\(scratch.path)/x.json", "format": "json"]), limits: limits)
        #expect(result.rows.count == 9)
        #expect(result.batches == 4)
        #expect(result.rejected == ["4 undecodable message: expected a JSON object"])
    }

    @Test func restartSkipsWhatIsDone() throws {
        let scratch = try Scratch()
        try scratch.write("a.json", "{\"a\":1}\n{\"a\":2}\n")
        try scratch.write("b.json", "{\"a\":3}\n\n{\"a\":4}\n")
        let positions = [
            SourcePosition(
                partition: SourcePartition(topic: "\(scratch.path)/a.json", partition: 0), nextOffset: 2,
                replayOffset: 1),
            SourcePosition(
                partition: SourcePartition(topic: "\(scratch.path)/b.json", partition: 0), nextOffset: 1,
                replayOffset: 1),
        ]
        let result = try read(
            sourcePlan("filesystem", columns, ["path": scratch.path, "format": "json"]), from: positions)
        #expect(result.places == ["a.json:1", "b.json:2"])
        #expect(result.rows.map { $0[0] } == [.integer(2), .integer(4)])
    }

    @Test func longLines() throws {
        let scratch = try Scratch()
        let long = String(repeating: "x", count: 700_000)
        try scratch.write(
            "x.json", "{\"a\":1,\"b\":\"\(long)\"}\n{\"a\":2,\"b\":\"\(long)\(long)\"}\n{\"a\":3}\n")
        var limits = Limits()
        limits.messageBytes = 1_000_000
        let result = try read(
            sourcePlan("filesystem", columns, ["path": "\(scratch.path)/x.json", "format": "json"]), limits: limits)
        #expect(result.rows == [[.integer(1), .string(long)], [.integer(3), .null]])
        #expect(result.rejected == ["1 limit exceeded: record longer than 1000000 bytes"])
        #expect(result.places == ["x.json:0", "x.json:2"])
    }

    @Test func quotedLineBreaks() throws {
        let scratch = try Scratch()
        try scratch.write("x.csv", "1,\"a\nb\"\r\n2,\"q\"\"\n,\"\n3,plain")
        let path = "\(scratch.path)/x.csv"
        let result = try read(sourcePlan("filesystem", columns, ["path": path, "format": "csv"]))
        #expect(
            result.rows == [
                [.integer(1), .string("a\nb")], [.integer(2), .string("q\"\n,")], [.integer(3), .string("plain")],
            ])
    }

    @Test func quotesWithinPlainFieldsDoNotJoinLines() throws {
        let scratch = try Scratch()
        try scratch.write("x.csv", "1,5\" pipe\n2,b\n3,\"c\"\n4,\n")
        let result = try read(sourcePlan("filesystem", columns, ["path": "\(scratch.path)/x.csv", "format": "csv"]))
        #expect(result.rows.map { $0[1] } == [.string("5\" pipe"), .string("b"), .string("c"), .string("")])
    }

    @Test func fileFacts() throws {
        let scratch = try Scratch()
        try scratch.write("x.json", "{\"a\":1}\n")
        let plan = sourcePlan(
            "filesystem", columns, ["path": scratch.path, "format": "json"],
            metadata: [
                ("file.name", .string), ("file.path", .string), ("file.size", .bigInt),
                ("file.modification-time", .timestampLTZ(precision: 3)),
            ])
        let row = try read(plan).rows[0]
        #expect(Array(row[2...4]) == [.string("x.json"), .string("\(scratch.path)/x.json"), .integer(8)])
        if case .integer(let time) = row[5] { #expect(time > 1_600_000_000_000_000) } else { Issue.record("no time") }
    }

    @Test func missingPathIsTheUsersError() throws {
        let error = #expect(throws: Diagnostic.self) {
            try read(sourcePlan("filesystem", columns, ["path": "/nowhere/x.json", "format": "json"]))
        }
        #expect(error?.fault == .user)
        #expect(error?.message.contains("/nowhere/x.json") == true)
    }
}
