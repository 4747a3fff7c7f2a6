import Glibc
import MillraceCore

/// The functions of TensorFlow's C interface that Millrace calls (tensorflow/c/c_api.h, tf_tensor.h, tf_tstring.h), found
/// by name in a library that is loaded at run time. The interface keeps its promise of stability since 1.0; the string
/// functions are there from 2.4 on.
///
/// All handles are opaque pointers. Functions that can fail write to a status that the caller owns.
struct TensorFlowTable: @unchecked Sendable {
    // Unchecked: C function pointers, constant after init.
    typealias Handle = OpaquePointer
    typealias Text = UnsafePointer<CChar>
    typealias Release = @convention(c) (OpaquePointer?) -> Void
    typealias Deallocator = @convention(c) (UnsafeMutableRawPointer?, Int, UnsafeMutableRawPointer?) -> Void

    let version: @convention(c) () -> Text
    let newStatus: @convention(c) () -> Handle
    let deleteStatus: Release
    let code: @convention(c) (Handle) -> Int32
    let message: @convention(c) (Handle) -> Text
    let newOptions: @convention(c) () -> Handle
    let setConfig: @convention(c) (Handle, UnsafeRawPointer, Int, Handle) -> Void
    let deleteOptions: Release
    let newGraph: @convention(c) () -> Handle
    let deleteGraph: Release
    let operation: @convention(c) (Handle, Text) -> OpaquePointer?
    let outputCount: @convention(c) (Handle) -> Int32
    let loadSession:
        @convention(c) (Handle, OpaquePointer?, Text, UnsafePointer<Text?>, Int32, Handle, OpaquePointer?, Handle) ->
            OpaquePointer?
    let closeSession: @convention(c) (Handle, Handle) -> Void
    let deleteSession: @convention(c) (Handle, Handle) -> Void
    /// Ports (`TF_Output`, see `TensorFlowPort`) go as raw memory.
    let run:
        @convention(c) (
            Handle, OpaquePointer?, UnsafeRawPointer?, UnsafePointer<OpaquePointer?>?, Int32, UnsafeRawPointer?,
            UnsafeMutablePointer<OpaquePointer?>?, Int32, UnsafeRawPointer?, Int32, OpaquePointer?, Handle
        ) -> Void
    let newTensor:
        @convention(c) (
            Int32, UnsafePointer<Int64>, Int32, UnsafeMutableRawPointer, Int, Deallocator, UnsafeMutableRawPointer?
        ) -> OpaquePointer?
    let allocateTensor: @convention(c) (Int32, UnsafePointer<Int64>, Int32, Int) -> OpaquePointer?
    let deleteTensor: Release
    let tensorType: @convention(c) (Handle) -> Int32
    let rank: @convention(c) (Handle) -> Int32
    let dimension: @convention(c) (Handle, Int32) -> Int64
    let data: @convention(c) (Handle) -> UnsafeMutableRawPointer?
    let stringInit: @convention(c) (UnsafeMutableRawPointer) -> Void
    let stringCopy: @convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer, Int) -> Void
    let stringStart: @convention(c) (UnsafeRawPointer) -> UnsafePointer<UInt8>?
    let stringSize: @convention(c) (UnsafeRawPointer) -> Int
    let stringFree: @convention(c) (UnsafeMutableRawPointer) -> Void

    /// - Throws: the name of the first function that the library does not have.
    init(_ library: UnsafeMutableRawPointer) throws(MissingFunction) {
        func find<F>(_ name: String) throws(MissingFunction) -> F {
            guard let symbol = dlsym(library, name) else { throw MissingFunction(name: name) }
            return unsafeBitCast(symbol, to: F.self)
        }
        version = try find("TF_Version")
        newStatus = try find("TF_NewStatus")
        deleteStatus = try find("TF_DeleteStatus")
        code = try find("TF_GetCode")
        message = try find("TF_Message")
        newOptions = try find("TF_NewSessionOptions")
        setConfig = try find("TF_SetConfig")
        deleteOptions = try find("TF_DeleteSessionOptions")
        newGraph = try find("TF_NewGraph")
        deleteGraph = try find("TF_DeleteGraph")
        operation = try find("TF_GraphOperationByName")
        outputCount = try find("TF_OperationNumOutputs")
        loadSession = try find("TF_LoadSessionFromSavedModel")
        closeSession = try find("TF_CloseSession")
        deleteSession = try find("TF_DeleteSession")
        run = try find("TF_SessionRun")
        newTensor = try find("TF_NewTensor")
        allocateTensor = try find("TF_AllocateTensor")
        deleteTensor = try find("TF_DeleteTensor")
        tensorType = try find("TF_TensorType")
        rank = try find("TF_NumDims")
        dimension = try find("TF_Dim")
        data = try find("TF_TensorData")
        stringInit = try find("TF_StringInit")
        stringCopy = try find("TF_StringCopy")
        stringStart = try find("TF_StringGetDataPointer")
        stringSize = try find("TF_StringGetSize")
        stringFree = try find("TF_StringDealloc")
    }

    struct MissingFunction: Error { var name: String }
}

/// `TF_Output`: one output of a node of the graph. The layout is C's: a pointer, an int, four bytes of padding.
struct TensorFlowPort: @unchecked Sendable {
    // Unchecked: a pointer into the graph, which the session keeps.
    var operation: OpaquePointer
    var index: Int32
    private var padding: Int32 = 0

    init(operation: OpaquePointer, index: Int32) {
        self.operation = operation
        self.index = index
    }
}
