import MillraceCore
import MillraceRuntime

/// Swallows every row.
final class BlackholeSink: ImmediateSession, Sink {
    func write(_ batch: ColumnBatch, reject: (_ row: Int, RowErrorCode, _ detail: String) -> Void) throws(Diagnostic) {
        writtenRows += batch.count
    }
}
