public import MillraceCore

/// A window aggregate whose groups are spread over several shards: see `ExchangeMember`.
extension WindowAggregateOperator {
    /// Sender and merger of a shard, when there are several.
    struct Exchanged {
        var sender: PartialSender
        var merger: PartialMerger
    }

    /// Keys and arguments of this type can be sent to another shard.
    public static func canExchange(_ type: DataType) -> Bool { Accumulators.canSend(type) }

    func join(_ exchange: Exchange, window: Int, shard: Int) throws(Diagnostic) {
        exchanged = Exchanged(
            sender: PartialSender(exchange, window: window, shard: shard),
            merger: try PartialMerger(
                exchange, window: window, shard: shard, plan: plan, input: input, rows: limits.batchRows))
    }

    var currentWatermark: Int64 { watermark }
    var firstOpenLast: Int64 { nextTimer }
    var retainedGroups: Int { exchanged?.sender.retainedGroups ?? 0 }

    /// Another shard has closed a window: says that there is nothing left here up to where time is now.
    func markIfRequested() {
        guard let sender = exchanged?.sender else { return }
        let requested = watermark == EventTime.end ? watermark : sender.channel.requested
        guard requested > sender.closedThrough, watermark >= requested else { return }
        sender.mark(through: watermark)
    }

    func closeEmpty(through watermark: Int64) { exchanged?.sender.closeEmpty(through: watermark) }

    func takeHasClosed() -> Bool {
        guard let sender = exchanged?.sender, sender.hasClosed else { return false }
        sender.hasClosed = false
        return true
    }

    func sendClosed(durable ticket: Int64) -> Bool { exchanged?.sender.send(durable: ticket) ?? false }
    func wantsCommit(_ isHeld: ([[Int64]]) -> Bool) -> Bool { exchanged?.sender.wantsCommit(isHeld) ?? false }
    func covered(by ticket: Int64, _ isHeld: ([[Int64]]) -> Bool) { exchanged?.sender.covered(by: ticket, isHeld) }
    func releaseDurable() -> Bool { exchanged?.sender.release() ?? false }

    func mergeAndEmit(mayEmit: () -> Bool, _ context: ShardContext) throws(Diagnostic) -> Bool {
        guard let merger = exchanged?.merger else { return false }
        let before = merger.emitted
        let worked = try merger.turn(mayEmit: mayEmit) { batch throws(Diagnostic) in
            try emit(batch, context: context)
        }
        if merger.emitted > before { try emit(watermark: merger.emitted, context: context) }
        return worked
    }

    var hasNewEmission: Bool { exchanged?.merger.isDirty ?? false }
    var storedThrough: Int64 { exchanged?.merger.storedThrough ?? EventTime.none }
    var newestClosed: Int64 { exchanged?.merger.newestClosed ?? EventTime.none }
    func submitted(_ ticket: Int64) { exchanged?.merger.submitted(ticket) }
    func durable(_ ticket: Int64) -> Bool { exchanged?.merger.durable(ticket) ?? false }
}
