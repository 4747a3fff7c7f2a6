/// The functions of ONNX Runtime's C interface that Millrace calls, taken from the table of API version 17.
///
/// Slots and signatures never change, the table only grows at its end (onnxruntime_c_api.h and the index assertions of
/// onnxruntime_c_api.cc), so this works with every library from 1.17 on, without a header. A status is nil on success and
/// is released by `OrtLibrary.check`.
struct OrtTable: @unchecked Sendable {
    // Unchecked: C function pointers, constant after init.
    typealias Handle = OpaquePointer
    typealias Status = OpaquePointer?
    typealias Text = UnsafePointer<CChar>
    typealias Out = UnsafeMutablePointer<OpaquePointer?>
    typealias Size = UnsafeMutablePointer<Int>
    typealias Release = @convention(c) (OpaquePointer?) -> Void
    typealias GetHandle = @convention(c) (Handle, Out) -> Status
    typealias GetCount = @convention(c) (Handle, Size) -> Status
    typealias GetEnum = @convention(c) (Handle, UnsafeMutablePointer<Int32>) -> Status
    typealias GetName =
        @convention(c) (Handle, Int, Handle, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Status
    typealias SetNumber = @convention(c) (Handle, Int32) -> Status

    static let version: UInt32 = 17

    let errorMessage: @convention(c) (Handle) -> Text?
    let createEnv: @convention(c) (Int32, Text, Out) -> Status
    let createSession: @convention(c) (Handle, Text, Handle, Out) -> Status
    let run:
        @convention(c) (
            Handle, OpaquePointer?, UnsafePointer<Text?>, UnsafePointer<OpaquePointer?>, Int, UnsafePointer<Text?>, Int,
            Out
        ) -> Status
    let createSessionOptions: @convention(c) (Out) -> Status
    let setExecutionMode: SetNumber
    let disableArena: @convention(c) (Handle) -> Status
    let setLogSeverity: SetNumber
    let setOptimization: SetNumber
    let setIntraThreads: SetNumber
    let setInterThreads: SetNumber
    let inputCount: GetCount
    let outputCount: GetCount
    let inputType: @convention(c) (Handle, Int, Out) -> Status
    let outputType: @convention(c) (Handle, Int, Out) -> Status
    let inputName: GetName
    let outputName: GetName
    let createTensor: @convention(c) (Handle, UnsafePointer<Int64>, Int, Int32, Out) -> Status
    let createTensorOverData:
        @convention(c) (Handle, UnsafeMutableRawPointer, Int, UnsafePointer<Int64>, Int, Int32, Out) -> Status
    let tensorData: @convention(c) (Handle, UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> Status
    let fillStrings: @convention(c) (Handle, UnsafePointer<Text?>, Int) -> Status
    let stringBytes: GetCount
    let stringContent: @convention(c) (Handle, UnsafeMutableRawPointer, Int, Size, Int) -> Status
    let castToTensorInfo: GetHandle
    let onnxType: GetEnum
    let elementType: GetEnum
    let rank: GetCount
    let dimensions: @convention(c) (Handle, UnsafeMutablePointer<Int64>, Int) -> Status
    let elementCount: GetCount
    let tensorInfo: GetHandle
    let createCPUMemory: @convention(c) (Int32, Int32, Out) -> Status
    let free: @convention(c) (Handle, UnsafeMutableRawPointer) -> Status
    let defaultAllocator: @convention(c) (Out) -> Status
    let getValue: @convention(c) (Handle, Int32, Handle, Out) -> Status
    let valueCount: GetCount
    let releaseStatus: Release
    let releaseMemory: Release
    let releaseSession: Release
    let releaseValue: Release
    let releaseType: Release
    let releaseTensorInfo: Release
    let releaseOptions: Release
    let metadata: GetHandle
    let producer: @convention(c) (Handle, Handle, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Status
    let customMetadata:
        @convention(c) (Handle, Handle, Text, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Status
    let releaseMetadata: Release

    init(_ slots: UnsafePointer<UnsafeRawPointer?>) {
        func at<F>(_ slot: Int) -> F { unsafeBitCast(slots[slot], to: F.self) }
        errorMessage = at(2)
        createEnv = at(3)
        createSession = at(7)
        run = at(9)
        createSessionOptions = at(10)
        setExecutionMode = at(13)
        disableArena = at(19)
        setLogSeverity = at(22)
        setOptimization = at(23)
        setIntraThreads = at(24)
        setInterThreads = at(25)
        inputCount = at(30)
        outputCount = at(31)
        inputType = at(33)
        outputType = at(34)
        inputName = at(36)
        outputName = at(37)
        createTensor = at(48)
        createTensorOverData = at(49)
        tensorData = at(51)
        fillStrings = at(52)
        stringBytes = at(53)
        stringContent = at(54)
        castToTensorInfo = at(55)
        onnxType = at(56)
        elementType = at(60)
        rank = at(61)
        dimensions = at(62)
        elementCount = at(64)
        tensorInfo = at(65)
        createCPUMemory = at(69)
        free = at(76)
        defaultAllocator = at(78)
        getValue = at(80)
        valueCount = at(81)
        releaseStatus = at(93)
        releaseMemory = at(94)
        releaseSession = at(95)
        releaseValue = at(96)
        releaseType = at(98)
        releaseTensorInfo = at(99)
        releaseOptions = at(100)
        metadata = at(111)
        producer = at(112)
        customMetadata = at(116)
        releaseMetadata = at(118)
    }
}
