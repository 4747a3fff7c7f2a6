import Glibc
import MillraceCore
import MillracePostgres
import MillraceRuntime

/// Rows into the arrays of a transaction, as the PostgreSQL sink does it; sending them is not measured.
enum PostgresCases {
    /// One server for all cases; nil: PostgreSQL's programs are not installed.
    nonisolated(unsafe) private static let server: PrivatePostgres? = {
        let server = try? PrivatePostgres()
        atexit { PostgresCases.server?.close() }
        return server
    }()

    static func all() -> [MicroCase] {
        [1, 64, 1024].map { size in
            // A transaction holds about so many rows when the engine is busy.
            MicroCase("PostgreSQL rows, 5 columns, batch \(size)", rows: size, rowsARound: 2048) {
                guard let server else {
                    throw Counting.Failed(
                        description: "PostgreSQL's programs are not installed: apt-get install postgresql")
                }
                let database = "micro_\(size)"
                try server.createDatabase(database)
                let url = server.url(database: database)
                try PostgresCommand.run(
                    address: PostgresAddress(url: url),
                    "CREATE UNLOGGED TABLE result (a int8, b int8, c text, d float8, e text)")
                let chain = try Chain(
                    Cases.copying.split(separator: "'blackhole'").joined(
                        separator: "'postgres', 'url' = '\(url)', 'table-name' = 'result'"))
                guard chain.decode((0..<size).map(Messages.payment)) == size else { fail("decode") }
                try chain.process()
                guard let batch = chain.last.batch else { fail("process") }
                let session = try PostgresSession(address: PostgresAddress(url: url), commitsSynchronously: false)
                _ = try session.open(pipeline: "micro", fingerprint: "micro", planText: "", resetState: true)
                session.context = chain.context
                let sink = try session.makeSink(chain.plan.sinks[0])
                var ticket: Int64 = 0
                return MicroCase.Work(
                    body: {
                        let before = session.uncommittedRows
                        try sink.write(batch) { _, _, detail in fail("refused: \(detail)") }
                        // The chain owns what the batch points into.
                        return session.uncommittedRows == before + size && chain.last.rows == size
                    },
                    settle: {
                        ticket += 1
                        try session.submit(ticket: ticket, positions: [], deadLetters: [])
                        while try session.drive(now: 0) < ticket {
                            var entry = pollfd(
                                fd: session.descriptor, events: Int16(POLLIN | (session.wantsWrite ? POLLOUT : 0)),
                                revents: 0)
                            poll(&entry, 1, 1000)
                        }
                    })
            }
        }
    }
}
