public import MillraceCore

/// Messages for a system that cannot commit together with the database: they are stored with the rows, and go out once
/// these are durable (the transactional outbox).
///
/// The database session asks for them with each ticket, and says when that is durable. All calls come from one shard's
/// thread.
public protocol Outbox: AnyObject {
    /// The sink they are for; with the shard it names the rows of `millrace.outbox`.
    var sink: String { get }
    /// What has been written since the last call, from now on known as `sequence` (ascending, also across runs); nil:
    /// nothing. The bytes are valid until `release`.
    func take(sequence: Int64) -> (messages: Int, bytes: ByteRef)?
    /// Everything up to `sequence` is durable and may go out.
    func release(through sequence: Int64)
    /// Everything up to here has arrived for good, so that its rows may go; -1 before the first.
    var relayed: Int64 { get }
}
