import MillraceCore

/// The rows and frames of an OVER: of all keys, or of those of one partition where each has its own time.
final class OverPart {
    let keys: KeyTable
    /// nil: processing time.
    let buffer: EventTimeBuffer?
    let frames: [OverFrameState]

    init(keys: KeyTable, buffer: EventTimeBuffer?, frames: [OverFrameState]) {
        self.keys = keys
        self.buffer = buffer
        self.frames = frames
    }
}
