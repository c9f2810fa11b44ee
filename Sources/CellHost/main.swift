import ICLEngine

print("cell host", TensorType.allCases.count)
