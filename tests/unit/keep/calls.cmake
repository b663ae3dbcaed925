# Processes: their calls, links and threads.
belay_test(keep_process_from SOURCES test_process_from.c LABELS unit LIBS loop_fake test_support)
foreach(noun calls links)
  belay_test(keep_process_${noun} SOURCES test_process_${noun}.c LABELS unit LIBS process_kit)
endforeach()
foreach(noun same)
  belay_test(keep_process_${noun} SOURCES test_process_${noun}.c LABELS unit LIBS test_support)
endforeach()
